import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The directory that an archive is unpacked in, and ways to what lies beneath it.
///
/// Every way is resolved by the kernel in one call (openat2(2)): a user's archive never leaves the directory
/// nor goes through a link; a layer takes the links that are there with the directory as its root, as a
/// program inside would. Neither enters another mount.
final class UnpackingTarget {
    /// A directory that entries are made in.
    final class Parent {
        let descriptor: Int32
        /// Its path from the target when links have been followed.
        let path: [UInt8]

        fileprivate init(_ descriptor: Int32, path: [UInt8]) {
            self.descriptor = descriptor
            self.path = path
        }

        deinit { close(descriptor) }
    }

    /// Why nothing could be opened.
    enum OpenError: Error {
        /// It lies on another mount, which is none of ours.
        case behindMount
        case other(Int32)
    }

    let root: Descriptor
    /// Whether the directory was made for this.
    let isNew: Bool
    private let isLayer: Bool
    private let resolve: UInt64
    private let rootPath: [UInt8]
    /// Of the entry before: most often the next one's too.
    private var recent: (path: [UInt8], parent: Parent)?

    init(_ unpacking: Unpacking, make: (String) throws(Fault) -> Void) throws(Fault) {
        isLayer = unpacking.kind == .layer
        let ways = isLayer ? CORDON_RESOLVE_IN_ROOT : CORDON_RESOLVE_BENEATH | CORDON_RESOLVE_NO_SYMLINKS
        resolve = UInt64(ways | CORDON_RESOLVE_NO_MAGICLINKS | CORDON_RESOLVE_NO_XDEV)
        let path = unpacking.path.text
        var status = stat()
        isNew = stat(path, &status) != 0 && errno == ENOENT
        if isNew { try make(path) }
        let root = try Descriptor.open(AT_FDCWD, path, cordon_o_path | O_DIRECTORY)
        rootPath = isLayer ? Self.realPath(of: root.raw) : []
        self.root = root
    }

    /// Opens a directory beneath, or nothing else than what `flags` say.
    func open(_ path: [UInt8], _ flags: Int32) throws(OpenError) -> Descriptor {
        let raw = cordon_openat2(root.raw, path.terminated, UInt64(UInt32(bitPattern: flags)), 0, resolve)
        guard raw >= 0 else { throw errno == EXDEV ? .behindMount : .other(errno) }
        return Descriptor(owning: raw)
    }

    /// The directory that holds an entry; nil when a mount is in between.
    func parent(of entry: EntryPath) throws(Fault) -> Parent? {
        if let recent, recent.path == entry.parent { return recent.parent }
        let opened: Descriptor
        do { opened = try open(entry.parent, cordon_o_path | O_DIRECTORY) } catch {
            guard case .other(let number) = error else { return nil }
            throw Fault(errno: number)
        }
        return remember(opened, entry.parent)
    }

    /// The same, made with all that is missing on the way; `making` is called for each that is.
    func parent(of entry: EntryPath, making: () throws(Fault) -> Void) throws(Fault) -> Parent? {
        do { return try parent(of: entry) } catch {
            guard error.fault == .notFound else { throw error }
        }
        let directory = entry.directory
        guard let above = try parent(of: directory, making: making) else { return nil }
        try making()
        guard mkdirat(above.descriptor, directory.nameText, 0o755) == 0 || errno == EEXIST else {
            throw Fault(errno: errno)
        }
        return try parent(of: entry)
    }

    private func remember(_ opened: consuming Descriptor, _ path: [UInt8]) -> Parent {
        let raw = opened.release()
        let real = isLayer ? Array(Self.realPath(of: raw).dropFirst(rootPath.count).drop { $0 == 47 }) : path
        let parent = Parent(raw, path: real)
        recent = (path, parent)
        return parent
    }

    /// Forgets what was opened, since what is at a path has changed.
    func forget() { recent = nil }

    /// Where an open directory lies, as this process sees it; `/` is empty.
    private static func realPath(of directory: Int32) -> [UInt8] {
        var buffer = [CChar](repeating: 0, count: 4097)
        let count = readlink("/proc/self/fd/\(directory)", &buffer, buffer.count)
        guard count > 1 else { return [] }
        return buffer[..<count].map { UInt8(bitPattern: $0) }
    }
}
