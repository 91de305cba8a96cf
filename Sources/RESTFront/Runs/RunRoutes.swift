import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// A program that runs once, in one call.
enum RunRoutes {
    /// What a client wants to see of a run.
    private enum Form {
        case whole
        case streamed(RunEventForm)

        init(_ accept: String?) {
            let wanted = (accept ?? "").lowercased()
            if wanted.contains("text/event-stream") {
                self = .streamed(.serverSent)
            } else if wanted.contains("application/x-ndjson") {
                self = .streamed(.lines)
            } else {
                self = .whole
            }
        }
    }

    static func run(_ exchange: Exchange) async throws -> Response {
        let began = ContinuousClock.now
        _ = try exchange.query([])
        guard exchange.front.waits.take() else {
            throw CordonError(.resourceExhausted, "too many requests are waiting", retryAfter: .seconds(1))
        }
        exchange.scope.atEnd { [front = exchange.front] in front.waits.giveBack() }
        let service = exchange.service
        let started = try await start(exchange)
        let id = started.sandbox.id
        // However this ends, the claim is given back; a service that stops leaves it to the next one.
        exchange.scope.atEnd { [connection = exchange.connection] in
            await service.leaveRun(id, forNow: connection.isQuiescing && !connection.isGone)
        }
        if started.sandbox.spec.run?.isDetached == true { return try detached(id) }
        let follower = RunFollower(exchange: exchange, started: started, began: began)
        switch Form(exchange.request.headers[.accept]) {
        case .streamed(let form): return try await RunStream(follower: follower, form: form).response()
        case .whole: return try await whole(follower)
        }
    }

    /// Reads the request and starts the run. Large bodies are few at a time: each is in memory several
    /// times over until its files are written.
    private static func start(_ exchange: Exchange) async throws -> StartedRun {
        let options = exchange.front.options
        let length = exchange.request.headers[.contentLength].flatMap { Int($0) }
        guard length.map({ $0 > options.maximumBodyBytes }) ?? true else { return try await startNow(exchange) }
        guard exchange.front.largeBodies.take() else {
            throw CordonError(
                .resourceExhausted, "too many large requests are being read", field: "body", retryAfter: .seconds(1))
        }
        defer { exchange.front.largeBodies.giveBack() }
        return try await startNow(exchange)
    }

    private static func startNow(_ exchange: Exchange) async throws -> StartedRun {
        let (json, bytes) = try await exchange.jsonBody(upTo: exchange.front.options.maximumRunBodyBytes)
        let (spec, key) = (try RunSpec(json: json), try exchange.idempotencyKey(body: bytes))
        return try await exchange.service.startRun(spec, by: exchange.caller(), key: key)
    }

    private static func detached(_ id: SandboxID) throws -> Response {
        var response = try Response.json(
            RunStarted(sandboxID: id.text, execID: RunSpec.execID.text), status: .accepted)
        response.headers[.location] = "/v1/sandboxes/\(id)/execs/\(RunSpec.execID)"
        return response
    }

    private static func whole(_ follower: RunFollower) async throws -> Response {
        let finished = try await follower.finish()
        let body = try await follower.result(of: finished)
        return try await .holding(bytes: body.shownBytes) { try await body.write(to: &$0) }
    }
}
