public import CordonAPI
import NIOCore
import NIOHTTP1

/// One connection to the service that is kept from call to call: for many short calls, one after the other. It is not
/// made again when it breaks, and no call on it is repeated.
public struct KeptConnection {
    typealias Channel = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    let client: CordonClient
    var inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator
    let outbound: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>

    public mutating func create(_ request: CreateSandboxRequest) async throws -> Sandbox {
        try await ask(.POST, "/v1/sandboxes", JSONText.encode(request))
    }

    /// Ends a sandbox; returns once nothing of it is left.
    public mutating func terminate(_ id: String) async throws -> Sandbox {
        try await ask(.DELETE, CordonClient.path(id), [])
    }

    /// Runs a command to its end.
    public mutating func run(_ argv: [String], in id: String) async throws -> CompletedExec {
        var request = StartExecRequest(argv: argv)
        request.wait = true
        return try await ask(.POST, CordonClient.path(id) + "/execs", JSONText.encode(request))
    }

    private mutating func ask<Answer: Decodable>(
        _ method: HTTPMethod, _ path: String, _ body: [UInt8]
    ) async throws -> Answer {
        var call = client.call(method, path)
        call.body = body
        if !body.isEmpty { call.headers.append(("Content-Type", "application/json")) }
        try await outbound.write(contentsOf: client.transport.parts(of: call, isLast: false))
        var (status, collected): (Int, [UInt8]) = (0, [])
        while let part = try await inbound.next() {
            switch part {
            case .head(let head): status = Int(head.status.code)
            case .body(let bytes): collected.append(contentsOf: bytes.readableBytesView)
            case .end where status < 200: break
            case .end:
                guard (200..<300).contains(status) else { throw ClientError(status: status, body: collected) }
                return try JSONText.decode(Answer.self, from: collected)
            }
        }
        throw ClientError.unreachable("the connection was closed within the answer")
    }
}

extension CordonClient {
    /// Opens a connection for the calls that `body` makes.
    public func withConnection<Value: Sendable>(
        _ body: @Sendable (inout KeptConnection) async throws -> Value
    ) async throws -> Value {
        let channel = try await transport.connect { channel in
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            return try KeptConnection.Channel(wrappingChannelSynchronously: channel)
        }
        return try await channel.executeThenClose { inbound, outbound in
            var connection = KeptConnection(client: self, inbound: inbound.makeAsyncIterator(), outbound: outbound)
            return try await body(&connection)
        }
    }
}
