import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// What operators and tools ask.
enum OperationRoutes {
    static func health(_ exchange: Exchange) async throws -> Response {
        try .json(HealthResponse(status: "ok"))
    }

    static func readiness(_ exchange: Exchange) async throws -> Response {
        let readiness = await exchange.service.readiness()
        guard readiness.ready else {
            throw CordonError(.unavailable, readiness.reason ?? "not ready yet", retryAfter: .seconds(1))
        }
        return try .json(HealthResponse(status: "ready"))
    }

    static func metrics(_ exchange: Exchange) async -> Response {
        let front = exchange.front
        let text = await front.metrics(FrontLoad(connections: front.connections.count, waits: front.waits.count))
        return Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    static func tunnelAuthority(_ exchange: Exchange) throws -> Response {
        _ = try exchange.query([])
        guard let pem = exchange.front.options.tunnelAuthority else {
            throw CordonError(.notFound, "encrypted tunnels have the operator's certificate, not one of a CA of ours")
        }
        return Response(
            status: .ok, headers: [.contentType: "application/x-pem-file"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: pem)))
    }

    static func contract(_ exchange: Exchange) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/yaml"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: exchange.front.openAPIDocument)))
    }
}
