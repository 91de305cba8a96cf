import Logging
import SandboxModel

extension CordonError {
    static func noSandbox(_ id: SandboxID) -> CordonError {
        CordonError(.notFound, "there is no sandbox \(id)", field: "id", value: id.text)
    }

    static func noExec(_ exec: ExecID, in id: SandboxID) -> CordonError {
        CordonError(.notFound, "sandbox \(id) has no exec \(exec)", field: "exec_id", value: exec.text)
    }

    static func isOver(_ id: SandboxID, _ ending: Ending?) -> CordonError {
        CordonError(
            .failedPrecondition,
            "sandbox \(id) is over" + (ending.map { ": \($0.reason.rawValue)" } ?? ": its termination was asked for"),
            field: "id", value: id.text, detail: ["ending": ending?.reason.rawValue ?? "terminated"])
    }

    static func isOver(_ exec: ExecID, _ ending: Ending) -> CordonError {
        CordonError(
            .failedPrecondition, "exec \(exec) is over: \(ending.reason.rawValue)", field: "exec_id",
            value: exec.text, detail: ["ending": ending.reason.rawValue])
    }

    static func noTerminal(_ exec: ExecID) -> CordonError {
        CordonError(
            .failedPrecondition, "exec \(exec) has no terminal", field: "exec_id", value: exec.text,
            rule: "an exec that was started with pty")
    }

    static func keyConflict(_ key: IdempotencyKey) -> CordonError {
        CordonError(
            .failedPrecondition, "this Idempotency-Key was used for another request", field: "Idempotency-Key",
            value: key.key, rule: "a key belongs to one request: the same route and the same body")
    }

    static func execTaken(_ exec: ExecID) -> CordonError {
        CordonError(
            .alreadyExists, "exec \(exec) exists and was started with other values", field: "exec_id",
            value: exec.text, rule: "the same exec_id starts the same exec")
    }

    static func overLimit(_ what: String, _ limit: Int, rule: String) -> CordonError {
        CordonError(
            .resourceExhausted, "\(what): the limit is \(limit)", value: "\(limit)", rule: rule,
            retryAfter: .seconds(1))
    }
}

/// Turns whatever the rooms below throw into the one error that leaves the engine.
struct ErrorBoundary: Sendable {
    let logger: Logger

    /// Runs `work`; an error that isn't a `CordonError` is logged and answered without its text,
    /// which may hold paths or SQL.
    nonisolated(nonsending) func during<Value>(
        _ operation: String, _ work: nonisolated(nonsending) () async throws -> Value
    ) async throws -> Value {
        do {
            return try await work()
        } catch {
            throw convert(error, during: operation)
        }
    }

    func convert(_ error: any Error, during operation: String) -> CordonError {
        switch error {
        case let error as CordonError: return error
        case is CancellationError: return CordonError(.cancelled, "the caller went away during: \(operation)")
        default:
            logger.error("\(operation) failed", metadata: ["error": "\(error)"])
            return CordonError(.internal, "\(operation) failed inside the service; its log says why")
        }
    }
}
