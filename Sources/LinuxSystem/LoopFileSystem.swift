import CLinux
import Glibc

/// A mounted ext4 that lies in one file, by way of a loop device: as many bytes and files as it was made with are the most
/// that it holds, whatever the file lies on.
///
/// Attached nowhere; it lives as long as this value, or a mount of it anywhere. The device goes with the last of them
/// (`LO_FLAGS_AUTOCLEAR`, loop(4)): whoever is killed, nothing has to be undone.
public final class LoopFileSystem: Sendable {
    /// Less isn't made without a journal (mke2fs(8) would warn), more has no use for a sandbox.
    public static let filesPerMiB = 64

    /// The device's number.
    public let number: Int32
    /// For whom it is attached: a mount that is nowhere yet.
    public let mount: Descriptor
    /// Its top directory.
    public let root: Directory

    /// Mounts the file system in `image`, which was made by `formatting`. `label` says whose the device is.
    public init(in image: borrowing Descriptor, label: String) throws(SystemCallError) {
        var number: Int32 = -1
        let loop = Descriptor(owning: try check(cordon_loop_attach(image.raw, label, &number), "loop", label))
        self.number = number
        mount = try Self.mount(number, Self.confined)
        root = try Self.top(of: mount)
        // The mount holds the device from here on.
        _ = consume loop
    }

    /// Mounts the one that is mounted somewhere already, by the device's number. Throws ENODEV when that device shows
    /// another file: what is mounted twice by two devices would be destroyed.
    public init(mountedFrom number: Int32, image: borrowing Descriptor) throws(SystemCallError) {
        let loop = Descriptor(owning: try check(cordon_loop_open(number), "open", "/dev/loop\(number)"))
        guard cordon_loop_shows(loop.raw, image.raw) else {
            throw SystemCallError("loop", "/dev/loop\(number) shows another file", errno: ENODEV)
        }
        self.number = number
        mount = try Self.mount(number, Self.confined)
        root = try Self.top(of: mount)
        _ = consume loop
    }

    /// One more mount of it, attached nowhere.
    public func mountedAgain(_ attributes: MountAttributes = []) throws(SystemCallError) -> Descriptor {
        try Self.mount(number, Self.confined.union(attributes))
    }

    /// The top directory, of a mount that can't be written through.
    public func readOnlyRoot() throws(SystemCallError) -> Directory {
        try Self.top(of: try mountedAgain(.readOnly))
    }

    /// Gives up what is in it: unmounting writes nothing to the disk any more.
    public func abandon() { _ = cordon_shut_file_system_down(root.raw) }

    private static let confined: MountAttributes = [.noSetuid, .noDevices, .noExecution]

    private static func mount(_ number: Int32, _ attributes: MountAttributes) throws(SystemCallError) -> Descriptor {
        let context = try FileSystemContext("ext4")
        try context.string("source", "/dev/loop\(number)")
        // The tables are zero as the file's holes are: writing zeroes would fill them.
        try context.flag("noinit_itable")
        // Where the host's disk fails, writing stops; nothing goes on as if it hadn't.
        try context.string("errors", "remount-ro")
        return try context.mount(attributes)
    }

    private static func top(of mount: borrowing Descriptor) throws(SystemCallError) -> Directory {
        let raw = try check(cordon_open(mount.raw, ".", O_RDONLY | O_DIRECTORY, 0), "open", "a disk's top")
        return Directory(owning: Descriptor(owning: raw), name: "disk")
    }
}
