import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// What a process reads.
enum StdinRoutes {
    static let pieceBytes = 64 * 1024

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
        var state = state
        var offset = start
        for try await buffer in exchange.request.body {
            var rest = buffer
            while rest.readableBytes > 0, let bytes = rest.readBytes(length: min(pieceBytes, rest.readableBytes)) {
                state = try await put(bytes, at: offset, end: false, exchange, exec, id)
                offset += UInt64(bytes.count)
                guard state.accepted >= offset, !state.closed || state.accepted >= offset else { return state }
            }
        }
        if let text = exchange.request.headers[.contentLength], let length = UInt64(text), offset - start != length {
            throw BodyBrokenOff()
        }
        guard eof, !state.closed else { return state }
        return try await put([], at: offset, end: true, exchange, exec, id)
    }

    /// Writes one piece; returns once all of it is accepted or stdin is closed.
    private static func put(
        _ bytes: [UInt8], at offset: UInt64, end: Bool, _ exchange: Exchange, _ exec: ExecID, _ id: SandboxID
    ) async throws -> StdinState {
        let (service, step) = (exchange.service, exchange.front.options.waitStep)
        var accepted = 0
        while true {
            let (at, rest) = (offset + UInt64(accepted), Array(bytes[accepted...]))
            let state = try await exchange.connection.whilePresent {
                try await service.writeStdin(of: exec, in: id, offset: at, bytes: rest, end: end, upTo: step)
            }
            if state.closed || (!end && state.accepted >= offset + UInt64(bytes.count)) { return state }
            accepted = min(max(accepted, Int(clamping: state.accepted) - Int(clamping: offset)), bytes.count)
        }
    }
}
