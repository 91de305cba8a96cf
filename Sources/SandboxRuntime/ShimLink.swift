import NIOCore
import SandboxModel
import ShimProtocol
import Synchronization

/// One living sandbox's shim.
final class ShimLink: Sendable {
    let id: SandboxID
    let startedAt: Timestamp
    let connection: FrameConnection
    /// Its shim's socket.
    let path: String
    private let nextReader = Mutex<UInt64>(1)
    /// How many keep the sandbox from being idle.
    private let holders = Mutex(0)
    /// Execs whose end has been reported already.
    private let reported = Mutex<Set<ExecID>>([])

    private init(id: SandboxID, startedAt: Timestamp, connection: FrameConnection, path: String) {
        self.id = id
        self.startedAt = startedAt
        self.connection = connection
        self.path = path
    }

    /// Connects to the shim at a socket and asks how its sandbox stands.
    static func open(
        _ path: String, on group: any EventLoopGroup, report: @escaping @Sendable (HostReport) -> Void
    ) async throws -> (ShimLink, ShimStatus) {
        // Reports can come before the link is made: they name their exec, the status names the sandbox.
        let link = Mutex<ShimLink?>(nil)
        let early = Mutex<[ExecState]>([])
        let connection = try await FrameConnection.connect(to: path, on: group) { frame in
            guard let ended = try? frame.decode(ExecEnded.self) else { return }
            let known = link.withLock { known in
                if known == nil { early.withLock { $0.append(ended.state) } }
                return known
            }
            known?.tell(ended.state, report)
        }
        let status: ShimStatus
        do {
            status = try await connection.call(Hello())
        } catch {
            connection.close()
            throw error
        }
        let made = ShimLink(id: status.id, startedAt: status.startedAt, connection: connection, path: path)
        let missed = link.withLock { known in
            known = made
            return early.withLock { $0 }
        }
        for state in missed { made.tell(state, report) }
        return (made, status)
    }

    /// Reports an exec's end, once.
    func tell(_ state: ExecState, _ report: (HostReport) -> Void) {
        guard let ending = state.ending, reported.withLock({ $0.insert(state.id).inserted }) else { return }
        report(.execEnded(id, state.id, ending))
    }

    /// A number for a new reader of one of its streams.
    func reader() -> UInt64 {
        nextReader.withLock { next in
            next += 1
            return next
        }
    }

    /// Keeps the sandbox from being idle, until `letGo` was called as often.
    func hold() {
        holders.withLock { holders in
            holders += 1
            if holders == 1 { connection.send(HoldAwake(isHeld: true)) }
        }
    }

    func letGo() {
        holders.withLock { holders in
            holders -= 1
            if holders == 0 { connection.send(HoldAwake(isHeld: false)) }
        }
    }

    /// Sends a request; a refusal becomes the error that fronts show.
    func call<Answer: Message>(_ message: some Message, for type: Answer.Type = Answer.self) async throws -> Answer {
        do {
            return try await connection.call(message, for: type)
        } catch let failure as Failure {
            throw CordonError(failure)
        } catch is FrameConnection.Lost {
            throw CordonError(.failedPrecondition, "sandbox \(id) has ended")
        }
    }
}
