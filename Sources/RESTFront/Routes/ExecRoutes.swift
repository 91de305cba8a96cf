import CordonAPI
import HTTPTypes
import HummingbirdCore
import SandboxModel

/// Commands in a sandbox.
enum ExecRoutes {
    static func start(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let id = try exchange.sandboxID()
        let (json, bytes) = try await exchange.jsonBody()
        let order = try ExecOrderRequest(json: json)
        let key = try exchange.idempotencyKey(body: bytes)
        let started = try await exchange.service.startExec(order.spec, in: id, by: exchange.caller(), key: key)
        guard order.wait else {
            var response = try Response.json(Exec(started), status: .created)
            response.headers[.location] = "/v1/sandboxes/\(id)/execs/\(started.id)"
            return response
        }
        return try await complete(started, stdin: order.stdin, exchange)
    }

    static func list(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let execs = try await exchange.service.execs(in: exchange.sandboxID())
        return try .json(ExecList(execs: execs.map { Exec($0) }))
    }

    static func show(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        return try .json(Exec(try await exchange.service.exec(exchange.execID(), in: exchange.sandboxID())))
    }

    static func wait(_ exchange: Exchange) async throws -> Response {
        let limit = try exchange.query(["timeout_seconds"]).seconds("timeout_seconds", in: 0...60) ?? .seconds(60)
        let (id, exec) = (try exchange.sandboxID(), try exchange.execID())
        let service = exchange.service
        let snapshot = try await exchange.waiting { try await service.wait(for: exec, in: id, upTo: limit) }
        return try .json(WaitResponse(result: snapshot.status.ending.map { EndResult($0) }))
    }

    static func signal(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let (id, exec) = (try exchange.sandboxID(), try exchange.execID())
        let (json, bytes) = try await exchange.jsonBody()
        try await exchange.service.signal(
            exec, in: id, number: SignalOrder(json: json).number, by: exchange.caller(),
            key: exchange.idempotencyKey(body: bytes))
        return Response(status: .noContent)
    }

    static func resize(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let (id, exec) = (try exchange.sandboxID(), try exchange.execID())
        let (json, bytes) = try await exchange.jsonBody()
        _ = try exchange.idempotencyKey(body: bytes)
        try await exchange.service.resize(exec, in: id, to: TerminalSize(json: json))
        return Response(status: .noContent)
    }

    /// Gives the exec its stdin, waits for its end, and answers with its output. When the client
    /// leaves, the exec goes on: a repeat with the same `exec_id` finds it.
    private static func complete(_ started: ExecSnapshot, stdin: [UInt8]?, _ exchange: Exchange) async throws
        -> Response
    {
        let service = exchange.service
        let (id, exec, step) = (started.sandbox, started.id, exchange.front.options.waitStep)
        let snapshot = try await exchange.waiting {
            async let fed: Void = feed(stdin, to: exec, in: id, by: service, step: step)
            var latest = started
            while latest.status.ending == nil {
                // A wait that is cancelled answers at once.
                try Task.checkCancellation()
                latest = try await service.wait(for: exec, in: id, upTo: step)
            }
            try? await fed
            return latest
        }
        guard let ending = snapshot.status.ending else {
            throw CordonError(.internal, "an exec that is over has no ending")
        }
        let outputs = [
            try await output("stdout", .stdout, of: started, exchange),
            try await output("stderr", .stderr, of: started, exchange),
        ]
        let body = CompletedBody(exec: Exec(snapshot), result: EndResult(ending), outputs: outputs)
        return try await .holding(bytes: outputs.reduce(0) { $0 + $1.shownBytes }) { try await body.write(to: &$0) }
    }

    private static func output(
        _ name: String, _ stream: OutputStream, of exec: ExecSnapshot, _ exchange: Exchange
    ) async throws -> CompletedBody.Output {
        let reader = try await exchange.service.output(stream, of: exec.id, in: exec.sandbox)
        exchange.scope.atEnd { await reader.close() }
        let pieces = StreamPieces(reader: reader, pieceBytes: exchange.front.options.pieceBytes)
        return try await CompletedBody.Output(
            name: name, pieces: pieces, limit: exchange.front.options.maximumOutputBytes)
    }

    /// Writes all of stdin and its end. A process that ends or closes its stdin earlier is no error.
    private static func feed(
        _ bytes: [UInt8]?, to exec: ExecID, in id: SandboxID, by service: any SandboxService, step: Duration
    ) async throws {
        guard let bytes else { return }
        var offset = 0
        repeat {
            let end = min(offset + StdinWriter.pieceBytes, bytes.count)
            let state = try await service.writeStdin(
                of: exec, in: id, offset: UInt64(offset), bytes: Array(bytes[offset..<end]), end: end == bytes.count,
                upTo: step)
            if state.closed { return }
            offset = min(Int(state.accepted), bytes.count)
        } while true
    }
}
