import CLinux
import Glibc

/// What stands in the place of `fusermount` for a program that serves a bucket: the mount is there already, and the device
/// comes from its parent's parent.
public enum DeviceHandover {
    /// A variable of such a program's environment, which its children have too: there is no `/proc` to read a command
    /// line from.
    public static let variable = "CORDON_SERVES_BUCKET"

    public static var isAsked: Bool { getenv(variable) != nil }

    /// Sends the device over the socket that libfuse's protocol names (`_FUSE_COMMFD`, fusermount(1)), and exits. Asked to
    /// unmount, without a socket, it does nothing.
    public static func run() -> Never {
        guard let text = getenv("_FUSE_COMMFD"), let socket = Int32(String(cString: text)) else { exit(0) }
        var byte: UInt8 = 0
        exit(cordon_send(socket, &byte, 1, [Int32(cordon_device_number)], 1) == 1 ? 0 : 1)
    }
}
