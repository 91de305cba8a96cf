import Logging
import NIOCore
import SandboxModel
import ShimProtocol
import Synchronization

/// The connection to the launcher, made anew whenever it is lost.
final class LauncherLink: Sendable {
    private let path: String
    private let group: any EventLoopGroup
    private let logger: Logger
    private let current = Mutex<FrameConnection?>(nil)

    init(path: String, group: any EventLoopGroup, logger: Logger) {
        self.path = path
        self.group = group
        self.logger = logger
    }

    var isConnected: Bool { current.withLock { $0?.isOpen ?? false } }

    /// Connects and connects again until cancelled. `onConnect` runs after each, before others use
    /// the connection; `onReport` for each report.
    func run(
        onConnect: @Sendable (FrameConnection) async throws -> Void, onReport: @escaping @Sendable (Frame) -> Void
    ) async {
        var delay = Duration.milliseconds(5)
        while !Task.isCancelled {
            do {
                let connection = try await FrameConnection.connect(to: path, on: group, onReport: onReport)
                do {
                    _ = try await connection.call(Hello(), for: Hello.self)
                    try await onConnect(connection)
                } catch {
                    connection.close()
                    throw error
                }
                delay = .milliseconds(5)
                current.withLock { $0 = connection }
                await connection.closed()
                current.withLock { $0 = nil }
                logger.warning("the launcher's connection was lost")
            } catch {
                try? await Task.sleep(for: delay)
                delay = min(delay * 2, .milliseconds(500))
            }
        }
    }

    /// The connection, once there is one; throws `unavailable` when there is none within `limit`.
    func connection(within limit: Duration = .seconds(15)) async throws -> FrameConnection {
        let deadline = ContinuousClock.now + limit
        repeat {
            if let connection = current.withLock({ $0 }), connection.isOpen { return connection }
            try await Task.sleep(for: .milliseconds(5))
        } while ContinuousClock.now < deadline
        throw CordonError.lost("the launcher")
    }

    /// Asks something that may be asked twice: of the launcher's successor when it dies meanwhile.
    func ask<Answer: Message>(
        _ request: some Message, for type: Answer.Type
    ) async throws -> Answer {
        for _ in 0..<10 {
            let connection = try await connection()
            do {
                return try await connection.call(request, for: type)
            } catch let failure as Failure {
                throw CordonError(failure)
            } catch is FrameConnection.Lost { continue }
        }
        throw CordonError.lost("the launcher")
    }
}
