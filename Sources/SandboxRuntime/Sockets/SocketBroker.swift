import LinuxSystem
import SandboxModel

/// Connections to servers inside of sandboxes: their sockets are made by the launcher in the sandboxes'
/// network namespaces, come as descriptors, which NIO can't receive, and are connected here.
final class SocketBroker: Sendable {
    private let thread: LoopThread<SocketConnector>

    /// - Parameter path: the launcher's socket. It is connected to when it is first needed.
    init(path: String) throws(SystemCallError) {
        thread = try LoopThread(name: "cordon-sockets") { loop in SocketConnector(loop: loop, path: path) }
    }

    /// A connection to a port of a running sandbox; see `SandboxHost`. Cancelled, nothing is left of it.
    func connect(to port: UInt16, of id: SandboxID, within limit: Duration) async throws -> SandboxConnection {
        let ticket = ConnectTicket()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                thread.perform { connector in
                    connector.begin(
                        ConnectAttempt(id: id, port: port, ticket: ticket) { continuation.resume(with: $0) },
                        within: limit)
                }
            }
        } onCancel: {
            thread.perform { connector in connector.cancel(ticket) }
        }
    }
}

/// Tells one attempt from all others.
final class ConnectTicket: Sendable, Hashable {
    static func == (left: ConnectTicket, right: ConnectTicket) -> Bool { left === right }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
