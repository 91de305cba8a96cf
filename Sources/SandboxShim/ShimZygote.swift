import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// The process that all shims of a launcher are forks of: what starting a program and its runtime costs is paid once,
/// and memory that no shim writes to is there once. It does nothing else, and ends with its launcher.
///
/// Descriptors come by number from the launcher: 3 the socket that asks for shims, 4 the sandboxes' records,
/// 5 the file agent's program.
public enum ShimZygote {
    /// Forks a shim for each request: a byte with the shim's own socket and its slot's run directory, answered with the
    /// shim's pid, or an errno below zero. Shims are children of the launcher.
    public static func run(argumentCount: Int32, arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Never
    {
        cordon_wipe_command_line(arguments, argumentCount, "cordon-zygote")
        signal(SIGPIPE, SIG_IGN)
        _ = cordon_set_dumpable(false)
        umask(0)
        let ground: Shim.Ground
        do {
            ground = Shim.Ground(
                layout: try ControlGroupLayout.detect(), bootID: try ProcessIdentity.bootID(),
                records: Directory(owning: Descriptor(owning: 4), name: "sandboxes"),
                fileAgent: SharedDescriptor(Descriptor(owning: 5)))
        } catch { Shim.fail(error) }
        while true {
            var request: UInt8 = 0
            var descriptors: [Int32] = [-1, -1]
            var count: Int32 = 2
            guard cordon_receive(3, &request, 1, &descriptors, &count) == 1 else { exit(0) }
            guard count == 2 else { exit(1) }
            var pid = cordon_fork_sibling()
            if pid == 0 {
                close(3)
                setsid()
                cordon_wipe_command_line(arguments, argumentCount, "cordon-shim")
                Shim.run(
                    on: Descriptor(owning: descriptors[0]),
                    slot: Directory(owning: Descriptor(owning: descriptors[1]), name: "slot"), ground)
            }
            if pid < 0 { pid = -errno }
            for descriptor in descriptors { close(descriptor) }
            guard cordon_send(3, &pid, MemoryLayout<pid_t>.size, nil, 0) > 0 else { exit(0) }
        }
    }
}
