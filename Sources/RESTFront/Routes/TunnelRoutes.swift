import CordonAPI
import HTTPTypes
import HummingbirdCore
import SandboxModel

/// How a sandbox is reached from outside, and when.
enum TunnelRoutes {
    static func list(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let endpoints = try await exchange.service.tunnels(of: exchange.sandboxID())
        return try .json(TunnelList(tunnels: endpoints.map { Tunnel($0) }))
    }

    static func waitReady(_ exchange: Exchange) async throws -> Response {
        let limit = try exchange.query(["timeout_seconds"]).seconds("timeout_seconds", in: 0...60) ?? .seconds(60)
        let id = try exchange.sandboxID()
        let service = exchange.service
        let snapshot = try await exchange.waiting { try await service.waitReady(id, upTo: limit) }
        return try .json(ReadyResponse(readyAt: snapshot.readySince.map { APITime($0) }))
    }
}
