import LinuxSystem
import SandboxModel
import ShimProtocol

/// One connection on its way to a server inside of a sandbox.
final class ConnectAttempt {
    let id: SandboxID
    let port: UInt16
    let ticket: ConnectTicket
    /// Of the socket that is tried now.
    var family = SocketFamily.ipv4
    /// The socket under way.
    var socket: Descriptor?
    var timer: Int?
    private var answer: ((Result<SandboxConnection, any Error>) -> Void)?

    init(
        id: SandboxID, port: UInt16, ticket: ConnectTicket,
        answer: @escaping (Result<SandboxConnection, any Error>) -> Void
    ) {
        self.id = id
        self.port = port
        self.ticket = ticket
        self.answer = answer
    }

    var isOver: Bool { answer == nil }

    /// Tells the outcome, once.
    func finish(_ result: Result<SandboxConnection, any Error>) {
        let answer = self.answer
        self.answer = nil
        answer?(result)
    }
}
