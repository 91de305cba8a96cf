import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// What a process reads.
enum StdinRoutes {
    static func show(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        return try .json(Stdin(try await exchange.service.stdinState(of: exchange.execID(), in: exchange.sandboxID())))
    }

    /// Takes the body piece by piece, at the pace at which stdin takes it. EOF is written only
    /// behind a body that came whole. The body isn't there yet when its key is written down: what a
    /// key is bound to is the query and the length.
    static func write(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["offset", "eof"])
        let given = try query.whole("offset", in: 0...UInt64.max)
        let eof = try query.flag("eof")
        let (id, exec) = (try exchange.sandboxID(), try exchange.execID())
        try exchange.requireContentType("application/octet-stream")
        let length = exchange.request.headers[.contentLength] ?? ""
        let key = try exchange.idempotencyKey(body: Array("\(exchange.request.uri.query ?? "")\n\(length)".utf8))
        do {
            let state = try await exchange.service.stdinState(of: exec, in: id)
            if let given, given > state.accepted { throw beyond(given, state) }
            let start = try await exchange.service.stdinStart(
                of: exec, in: id, at: given, by: exchange.caller(), key: key)
            exchange.connection.allowsSlowBody = true
            return try .json(Stdin(try await upload(exchange, exec, id, from: start, state: state, eof: eof)))
        } catch let error as CordonError where error.code == .outOfRange {
            throw RequestRefused.conflict(error)
        }
    }

    private static func beyond(_ offset: UInt64, _ state: StdinState) -> CordonError {
        CordonError(
            .outOfRange, "stdin has accepted \(state.accepted) bytes so far", field: "offset", value: String(offset),
            rule: "at most \(state.accepted)", detail: ["accepted": String(state.accepted)])
    }

    private static func upload(
        _ exchange: Exchange, _ exec: ExecID, _ id: SandboxID, from start: UInt64, state: StdinState, eof: Bool
    ) async throws -> StdinState {
        let stdin = StdinWriter(
            service: exchange.service, exec: exec, sandbox: id, waitStep: exchange.front.options.waitStep)
        var state = state
        var offset = start
        for try await buffer in exchange.request.body {
            let from = offset
            state = try await exchange.connection.whilePresent { try await stdin.write(buffer, at: from) }
            offset += UInt64(buffer.readableBytes)
            guard state.accepted >= offset else { return state }
        }
        if let text = exchange.request.headers[.contentLength], let length = UInt64(text), offset - start != length {
            throw BodyBrokenOff()
        }
        guard eof, !state.closed else { return state }
        let end = offset
        return try await exchange.connection.whilePresent { try await stdin.end(at: end) }
    }
}
