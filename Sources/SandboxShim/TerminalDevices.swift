import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The devpts instance that a sandbox sees as `/dev/pts`, held from outside.
final class TerminalDevices {
    /// The most terminals of a sandbox at a time, those that programs inside open included.
    static let most = 64

    private let directory: Directory

    /// Finds the instance through PID 1's own view. For when nobody else is inside yet, who could
    /// have put something else in its place, and while the shim may still look there.
    init(of process: pid_t) throws(SystemCallError) {
        let directory = try Directory(path: "/proc/\(process)/root").directory("dev/pts")
        guard cordon_is_devpts(directory.raw) else { throw SystemCallError("fstatfs", "dev/pts", errno: ENOTTY) }
        self.directory = directory
    }

    /// Opens a new terminal; its slave belongs to whom the caller's file system ids name.
    func open(_ size: TerminalSize) throws -> (terminal: Terminal, slave: SharedDescriptor) {
        var slave: Int32 = -1
        let master = cordon_terminal_open(directory.raw, UInt16(size.rows), UInt16(size.columns), &slave)
        guard master >= 0 else {
            let error = SystemCallError("open", "dev/pts/ptmx")
            guard error.errno == ENOSPC else { throw error }
            throw Failure(
                .resourceExhausted,
                "no terminal is left: a sandbox has at most \(Self.most), and the host kernel.pty.max for all")
        }
        return (Terminal(Descriptor(owning: master)), SharedDescriptor(Descriptor(owning: slave)))
    }
}

/// One terminal's master: while any descriptor of it is open, the terminal isn't hung up.
final class Terminal {
    private let master: Descriptor

    init(_ master: consuming Descriptor) { self.master = master }

    /// Another descriptor of the master.
    func descriptor() throws(SystemCallError) -> Descriptor { try master.duplicated() }

    /// The foreground processes hear of it by SIGWINCH.
    func resize(to size: TerminalSize) throws(SystemCallError) {
        try check(
            cordon_terminal_resize(master.raw, UInt16(size.rows), UInt16(size.columns)), "ioctl", "TIOCSWINSZ")
    }
}
