import ArgumentParser
import CLinux
import Foundation
import Glibc
import LinuxSystem
import ServiceConfiguration
import ShimProtocol

/// `cordond down`: ends every sandbox of an instance and its launcher. The service itself just
/// stops when it is told to (SIGTERM): sandboxes go on without it.
struct Down: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End every sandbox of an instance, and its launcher.",
        usage: "cordond down [--config <file>] [<options> ...]",
        discussion: "Takes the options of `cordond serve`; --data-dir and --run-dir say which instance is meant.")

    @OptionGroup var arguments: ConfigurationArguments

    func run() throws {
        let runDirectory = try arguments.load().values.runDirectory
        // A launcher that dies meanwhile is started again by its keeper, and told again.
        while true {
            let raw = cordon_connect_unix("\(runDirectory)/launcher.sock")
            if raw >= 0 {
                shutDown(Descriptor(owning: raw))
            } else if errno != ENOENT && errno != ECONNREFUSED {
                throw SystemCallError("connect", "\(runDirectory)/launcher.sock")
            }
            if !keeperLives(runDirectory) { break }
            usleep(20_000)
        }
        let left = (try? Directory(path: "\(runDirectory)/slots").entries().count) ?? 0
        guard left == 0 else {
            throw ValidationError(
                "\(left) sandboxes live and no launcher does: start the service once, then take it down")
        }
    }

    /// Asks the launcher to end everything, and waits until it has ended itself, nothing being left.
    private func shutDown(_ socket: borrowing Descriptor) {
        try? Frame.bytes(ShutDown(), request: 1).withUnsafeBytes { try writeAll($0, to: socket.raw) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        var got = 0
        repeat { got = read(socket.raw, &buffer, buffer.count) } while got > 0 || (got < 0 && errno == EINTR)
    }

    private func keeperLives(_ runDirectory: String) -> Bool {
        let raw = cordon_open(AT_FDCWD, "\(runDirectory)/keeper.lock", O_RDWR, 0)
        guard raw >= 0 else { return false }
        let lock = Descriptor(owning: raw)
        return cordon_lock_exclusive(lock.raw, false) < 0
    }
}
