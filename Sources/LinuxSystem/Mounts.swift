import CLinux
import Glibc

/// Attributes of a mount (mount_setattr(2)).
public struct MountAttributes: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let readOnly = MountAttributes(rawValue: 0x01)
    public static let noSetuid = MountAttributes(rawValue: 0x02)
    public static let noDevices = MountAttributes(rawValue: 0x04)
    public static let noExecution = MountAttributes(rawValue: 0x08)
    /// What every mount that holds a sandbox's files has.
    public static let hostile: MountAttributes = [.noSetuid, .noDevices]
}

/// Mounts that are attached nowhere yet: made by descriptor, so that no path is ever followed.
public enum Mount {
    /// A clone of the mount at `path` below `directory`, not attached (open_tree(2)).
    public static func clone(
        _ path: String, below directory: Int32 = AT_FDCWD, recursive: Bool = false
    ) throws(SystemCallError) -> Descriptor {
        Descriptor(owning: try check(cordon_open_tree(directory, path, true, recursive), "open_tree", path))
    }

    /// Sets attributes of a mount, and with a user namespace its id mapping.
    public static func set(
        _ attributes: MountAttributes, of mount: borrowing Descriptor, userNamespace: Int32 = -1,
        recursive: Bool = false, subject: String = ""
    ) throws(SystemCallError) {
        try check(
            cordon_mount_set(mount.raw, "", attributes.rawValue, userNamespace, recursive), "mount_setattr", subject)
    }

    /// A clone of the directory with the ids that `userNamespace` maps: 0 on disk is 0 inside.
    public static func idMapped(
        _ path: String, below directory: Int32 = AT_FDCWD, userNamespace: Int32
    ) throws(SystemCallError) -> Descriptor {
        let tree = try clone(path, below: directory)
        try set(.hostile, of: tree, userNamespace: userNamespace, subject: path)
        return tree
    }

    /// Attaches a mount at the directory or file that `target` names, or that `directory` is.
    public static func attach(
        _ mount: borrowing Descriptor, at directory: Int32, _ target: String = ""
    ) throws(SystemCallError) {
        try check(cordon_move_mount(mount.raw, directory, target), "move_mount", target)
    }

    /// Attaches a mount at a directory.
    public static func attach(_ mount: borrowing Descriptor, at directory: Directory) throws(SystemCallError) {
        try attach(mount, at: directory.raw)
        withExtendedLifetime(directory) {}
    }

    /// A new instance of a file system, by its options (fsopen(2)).
    public static func make(
        _ type: String, _ options: KeyValuePairs<String, String> = [:], attributes: MountAttributes
    ) throws(SystemCallError) -> Descriptor {
        let context = FileSystemContext(Descriptor(owning: try check(cordon_fsopen(type), "fsopen", type)), type)
        for (key, value) in options {
            if value.isEmpty { try context.flag(key) } else { try context.string(key, value) }
        }
        return try context.mount(attributes)
    }

    /// Keeps mounts made here from the rest of the host, while the host's still arrive here.
    public static func receiveOnly() throws(SystemCallError) {
        try check(cordon_mount_propagation(true), "mount_setattr", "/ slave")
    }

    /// Cuts this mount namespace off from all others.
    public static func makePrivate() throws(SystemCallError) {
        try check(cordon_mount_propagation(false), "mount_setattr", "/ private")
    }
}

/// A file system being configured (fsconfig(2)). Its errors carry the kernel's own message.
public final class FileSystemContext {
    private let descriptor: Descriptor
    private let type: String

    public init(_ descriptor: consuming Descriptor, _ type: String) {
        self.descriptor = descriptor
        self.type = type
    }

    /// Opens a context for a file system type.
    public convenience init(_ type: String) throws(SystemCallError) {
        self.init(Descriptor(owning: try check(cordon_fsopen(type), "fsopen", type)), type)
    }

    private func verify(_ result: Int32, _ call: StaticString, _ key: String) throws(SystemCallError) {
        guard result < 0 else { return }
        let number = errno
        var text = [CChar](repeating: 0, count: 256)
        let count = max(0, cordon_fs_message(descriptor.raw, &text, 255))
        let message = String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        throw SystemCallError("\(call)", "\(type) \(key) \(message)", errno: number)
    }

    public func string(_ key: String, _ value: String) throws(SystemCallError) {
        try verify(cordon_fsconfig_string(descriptor.raw, key, value), "fsconfig", key)
    }

    public func flag(_ key: String) throws(SystemCallError) {
        try verify(cordon_fsconfig_flag(descriptor.raw, key), "fsconfig", key)
    }

    public func descriptor(_ key: String, _ value: Int32) throws(SystemCallError) {
        try verify(cordon_fsconfig_fd(descriptor.raw, key, value), "fsconfig", key)
    }

    /// Creates the superblock, with the credentials of this moment, and a mount of it.
    public func mount(_ attributes: MountAttributes) throws(SystemCallError) -> Descriptor {
        try verify(cordon_fsconfig_create(descriptor.raw), "fsconfig", "create")
        return Descriptor(
            owning: try check(cordon_fsmount(descriptor.raw, attributes.rawValue), "fsmount", type))
    }
}
