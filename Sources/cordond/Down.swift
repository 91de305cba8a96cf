import ArgumentParser
import CLinux
import Foundation
import Glibc
import LinuxSystem
import ShimProtocol

/// `cordond down`: ends every sandbox of an instance and its launcher. The service itself just
/// stops when it is told to (SIGTERM): sandboxes go on without it.
struct Down: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End every sandbox of an instance, and its launcher.")

    @OptionGroup var places: Places

    func run() throws {
        let raw = cordon_connect_unix("\(places.runDir)/launcher.sock")
        guard raw >= 0 else {
            if errno == ENOENT || errno == ECONNREFUSED { return }
            throw SystemCallError("connect", "\(places.runDir)/launcher.sock")
        }
        let socket = Descriptor(owning: raw)
        try Frame.bytes(ShutDown(), request: 1).withUnsafeBytes { try writeAll($0, to: socket.raw) }
        // The launcher closes the connection by ending, when nothing is left.
        var buffer = [UInt8](repeating: 0, count: 4096)
        var got = 0
        repeat { got = read(socket.raw, &buffer, buffer.count) } while got > 0 || (got < 0 && errno == EINTR)
    }
}
