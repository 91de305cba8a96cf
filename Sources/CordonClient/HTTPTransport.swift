import NIOCore
import NIOHTTP1
import NIOPosix

/// One HTTP/1.1 request.
struct HTTPCall: Sendable {
    var method: HTTPMethod = .GET
    var path: String
    var headers: [(String, String)] = []
    var body: [UInt8] = []
}

/// The head of an answer.
struct HTTPAnswer: Sendable {
    var status: Int
    var headers: HTTPHeaders
}

/// The connection failed, was refused, or ended before the answer was whole: try again.
struct ConnectionLost: Error {
    var reason: String
}

/// Plain HTTP/1.1 to one address, a connection for each request. TLS goes here when it comes.
struct HTTPTransport: Sendable {
    let host: String
    let port: Int

    /// Throws for anything but `http://host[:port]`.
    init(url: String) throws(ClientError) {
        guard url.hasPrefix("http://") else { throw .credentials("\(url) isn't an http:// address") }
        let authority = url.dropFirst(7).prefix { $0 != "/" }
        let parts = authority.split(separator: ":", maxSplits: 1)
        guard let host = parts.first, parts.count == 1 || Int(parts[1]) != nil else {
            throw .credentials("\(url) isn't an http:// address")
        }
        self.host = String(host)
        self.port = parts.count == 2 ? Int(parts[1]) ?? 80 : 80
    }

    private typealias Channel = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    /// A new connection with what `initialize`, on its event loop, puts on it.
    func connect<Output: Sendable>(
        _ initialize: @escaping @Sendable (any NIOCore.Channel) throws -> Output
    ) async throws -> Output {
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(5))
                .connect(host: host, port: port) { channel in
                    channel.eventLoop.makeCompletedFuture { try initialize(channel) }
                }
        } catch {
            throw ConnectionLost(reason: "\(host):\(port): \(error)")
        }
    }

    /// The fields that every request carries.
    var hostField: (String, String) { ("Host", "\(host):\(port)") }

    /// Sends `call`; gives the head and then each piece of the body to the closures, which see
    /// pieces no faster than they take them. Throws `ConnectionLost` when the answer isn't whole.
    ///
    /// - Returns: the trailers.
    func send(
        _ call: HTTPCall, onHead: (HTTPAnswer) async throws -> Void, onBody: (ByteBuffer) async throws -> Void
    ) async throws -> HTTPHeaders {
        let channel = try await connect { channel in
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            return try Channel(wrappingChannelSynchronously: channel)
        }
        var failure: (any Error)?
        do {
            return try await channel.executeThenClose { inbound, outbound in
                do {
                    // A service that has answered and closed before all was written has answered all the same.
                    do { try await write(call, outbound) } catch { try Task.checkCancellation() }
                    for try await part in inbound {
                        switch part {
                        case .head(let head) where head.status.code >= 200:
                            do {
                                try await onHead(HTTPAnswer(status: Int(head.status.code), headers: head.headers))
                            } catch {
                                failure = error
                                throw error
                            }
                        case .head: break
                        case .body(let bytes):
                            do { try await onBody(bytes) } catch {
                                failure = error
                                throw error
                            }
                        case .end(let trailers): return trailers ?? [:]
                        }
                    }
                    try Task.checkCancellation()
                    throw ConnectionLost(reason: "the connection was closed within the answer")
                }
            }
        } catch {
            // What the closures threw is theirs; all else is the connection's.
            if let failure { throw failure }
            if error is CancellationError || error is ConnectionLost { throw error }
            try Task.checkCancellation()
            throw ConnectionLost(reason: "\(error)")
        }
    }

    private func write(_ call: HTTPCall, _ outbound: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>) async throws
    {
        var headers = HTTPHeaders([hostField, ("Connection", "close")])
        for (name, value) in call.headers { headers.add(name: name, value: value) }
        if !call.body.isEmpty || call.method != .GET {
            headers.add(name: "Content-Length", value: String(call.body.count))
        }
        var parts: [HTTPClientRequestPart] = [
            .head(HTTPRequestHead(version: .http1_1, method: call.method, uri: call.path, headers: headers))
        ]
        if !call.body.isEmpty { parts.append(.body(.byteBuffer(ByteBuffer(bytes: call.body)))) }
        parts.append(.end(nil))
        try await outbound.write(contentsOf: parts)
    }
}
