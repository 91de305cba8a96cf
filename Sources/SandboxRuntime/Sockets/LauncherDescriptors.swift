import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Asks the launcher for descriptors, each over a connection of its own. Blocks: for threads where that is allowed.
struct LauncherDescriptors: Sendable {
    /// The launcher's socket.
    let path: String

    /// Throws `CordonError`: the launcher's refusal, or that it doesn't answer.
    func open(_ request: some Message) throws -> Descriptor {
        let raw = cordon_connect_unix(path)
        guard raw >= 0 else { throw CordonError.lost("the launcher") }
        let connection = Descriptor(owning: raw)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        try Frame.bytes(request, request: 1).withUnsafeBytes { try writeAll($0, to: connection.raw) }
        var assembler = FrameAssembler()
        var buffer = [UInt8](repeating: 0, count: 4096)
        var received: Int32 = -1
        while true {
            var found: Int32 = received < 0 ? 1 : 0
            let count = cordon_receive(connection.raw, &buffer, buffer.count, &received, &found)
            guard count > 0 else {
                if received >= 0 { close(received) }
                throw CordonError.lost("the launcher")
            }
            assembler.append(buffer[..<count])
            guard let frame = try assembler.next() else { continue }
            guard frame.type == MessageType.socketOpened.rawValue, received >= 0 else {
                if received >= 0 { close(received) }
                throw CordonError(
                    (try? frame.decode(Failure.self)) ?? Failure(.internal, "the launcher's answer isn't one"))
            }
            return Descriptor(owning: received)
        }
    }
}
