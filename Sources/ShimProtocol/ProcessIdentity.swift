import CLinux
import Glibc
import LinuxSystem

/// The names of what lies in a slot's run directory.
public enum SlotNames {
    public static let record = "record"
    /// Whose the slot is, once it is somebody's. A file of its own, since one that is replaced is
    /// written to the disk at once (ext4(5), `auto_da_alloc`), and its removal waits for that.
    public static let owner = "owner"
    /// What is mounted in the sandbox besides its root.
    public static let mounts = "mounts"
    /// Which loop device shows its own disk.
    public static let disk = "disk"
    public static let process = "process"
    public static let lock = "lock"
    public static let socket = "shim.sock"
}

/// One process for certain: a pid alone may be somebody else's by now.
public struct ProcessIdentity: WireCodable, Hashable {
    public let pid: Int32
    /// In clock ticks since boot (proc_pid_stat(5), field 22).
    public let startTime: UInt64
    public let bootID: String

    /// This process.
    public static func current(bootID: String) throws(SystemCallError) -> ProcessIdentity {
        ProcessIdentity(pid: getpid(), startTime: try startTime(of: getpid()) ?? 0, bootID: bootID)
    }

    private init(pid: Int32, startTime: UInt64, bootID: String) {
        self.pid = pid
        self.startTime = startTime
        self.bootID = bootID
    }

    /// A descriptor of the process, or nil when it is gone.
    public func open() throws(SystemCallError) -> Descriptor? {
        guard bootID == (try Self.bootID()) else { return nil }
        let raw = cordon_pidfd_open(pid)
        if raw < 0 {
            if errno == ESRCH { return nil }
            throw SystemCallError("pidfd_open", "\(pid)")
        }
        let descriptor = Descriptor(owning: raw)
        // The descriptor holds the pid: what /proc says now is about that process.
        guard try Self.startTime(of: pid) == startTime else { return nil }
        return descriptor
    }

    /// The random id of this boot of the host.
    public static func bootID() throws(SystemCallError) -> String {
        try KernelFile.read("/proc/sys/kernel/random/boot_id") ?? ""
    }

    private static func startTime(of pid: Int32) throws(SystemCallError) -> UInt64? {
        guard let text = try KernelFile.read("/proc/\(pid)/stat")?.utf8,
            let name = text.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        // Behind the name, which may hold anything, also what joins the bracket as a character: fields 3 and on.
        let fields = String(decoding: text[text.index(after: name)...], as: UTF8.self).split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(pid)
        writer.put(startTime)
        writer.put(bootID)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        pid = try reader.integer()
        startTime = try reader.integer()
        bootID = try reader.string()
    }
}
