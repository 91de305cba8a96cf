import LinuxSystem
import NIOCore
import NIOPosix
import SandboxModel
import ShimProtocol

extension LocalHost {
    public func startExec(_ order: ExecOrder, in id: SandboxID) async throws -> HostedExec {
        let start = StartExec(order, in: id)
        let link = try link(id)
        guard start.terminal != nil else { return try await link.call(start, for: ExecState.self).hosted }
        return try await link.call(StartTerminalExec(start), for: ExecState.self).hosted
    }

    public func signal(_ exec: ExecID, in id: SandboxID, number: Int32) async throws {
        _ = try await link(id).call(Signal(exec: exec, number: number), for: Done.self)
    }

    public func resize(_ exec: ExecID, in id: SandboxID, to size: TerminalSize) async throws {
        _ = try await link(id).call(Resize(exec: exec, size: size), for: Done.self)
    }

    public func writeStdin(
        of exec: ExecID, in id: SandboxID, offset: UInt64, bytes: [UInt8], end: Bool, upTo limit: Duration
    ) async throws -> StdinState {
        let write = WriteStdin(exec: exec, offset: offset, end: end, limit: limit, bytes: bytes)
        return try await link(id).call(write, for: StdinProgress.self).state
    }

    public func stdinState(of exec: ExecID, in id: SandboxID) async throws -> StdinState {
        try await writeStdin(of: exec, in: id, offset: 0, bytes: [], end: false, upTo: .zero)
    }

    public func openFiles(in id: SandboxID, as user: String?) async throws -> any FileSession {
        let path = try link(id).path
        do {
            return AgentSession(try await AgentConnection.open(path, as: user ?? "", on: group))
        } catch is IOError {
            throw CordonError(.failedPrecondition, "sandbox \(id) has ended")
        } catch { throw AgentSession.converted(error) }
    }

    public func output(_ stream: OutputStream, of exec: ExecID, in id: SandboxID) async throws -> any OutputReader {
        let directory = try records.output(of: id)
        let reader = SpoolReader(stream, of: exec, directory: directory, link: try? link(id))
        try reader.open()
        return reader
    }

    public func log(
        of exec: ExecID, in id: SandboxID, since: Timestamp?, until: Timestamp?, limit: Int
    ) async throws -> [LogEntry] {
        let directory = try records.output(of: id)
        // Up to 2 MiB of a file: not on a thread that others wait for.
        return try await NIOThreadPool.singleton.runIfActive {
            try IndexFormat.entries(of: exec, in: directory, since: since, until: until, limit: limit)
        }
    }
}
