import Foundation

/// Namespaces remembered by handle while something lives in them: whether one is still there can be
/// asked later, even when no process and no mount shows it (nsfs handles, Linux 6.18 and later).
final class NamespaceHandles: @unchecked Sendable {
    private typealias NameToHandle =
        @convention(c) (
            Int32, UnsafePointer<CChar>, UnsafeMutableRawPointer, UnsafeMutablePointer<Int32>, Int32
        ) -> Int32
    private typealias OpenByHandle = @convention(c) (Int32, UnsafeMutableRawPointer, Int32) -> Int32

    private let toHandle: NameToHandle
    private let byHandle: OpenByHandle
    private let anchor: Int32
    private let lock = NSLock()
    private var handles: [String: [UInt8]] = [:]
    private static let size = 136

    /// Nil where the kernel has no such handles.
    init?() {
        guard let name = dlsym(nil, "name_to_handle_at"), let open = dlsym(nil, "open_by_handle_at") else { return nil }
        toHandle = unsafeBitCast(name, to: NameToHandle.self)
        byHandle = unsafeBitCast(open, to: OpenByHandle.self)
        anchor = opened("/proc/self/ns/net")
        guard anchor >= 0, remember("/proc/self/ns/net") else { return nil }
        handles = [:]
    }

    deinit { close(anchor) }

    var count: Int { lock.withLock { handles.count } }

    /// Remembers every namespace of a process that isn't the host's.
    func remember(process: pid_t) {
        for kind in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
            let path = "/proc/\(process)/ns/\(kind)"
            if link(path) != link("/proc/self/ns/\(kind)") { _ = remember(path) }
        }
    }

    private func remember(_ path: String) -> Bool {
        guard let name = link(path) else { return false }
        let descriptor = opened(path)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // struct file_handle: bytes u32, type s32, then the handle.
        var handle = [UInt8](repeating: 0, count: Self.size)
        handle[0] = UInt8(Self.size - 8)
        var mount: Int32 = 0
        let emptyPath: Int32 = 0x1000
        guard toHandle(descriptor, "", &handle, &mount, emptyPath) == 0 else { return false }
        // Inodes of dead namespaces are used again; handles never are.
        lock.withLock { handles["\(name) \(handle)"] = handle }
        return true
    }

    /// Those that still exist.
    var living: [String] {
        lock.withLock {
            handles.compactMap { name, handle in
                var handle = handle
                let descriptor = byHandle(anchor, &handle, O_RDONLY | O_CLOEXEC)
                guard descriptor >= 0 else { return nil }
                close(descriptor)
                return String(name.prefix { $0 != " " })
            }
        }
    }
}

private func opened(_ path: String) -> Int32 { open(path, O_RDONLY | O_CLOEXEC) }
