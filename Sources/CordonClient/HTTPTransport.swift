import NIOCore
import NIOHTTP1
import NIOPosix

/// One HTTP/1.1 request.
struct HTTPCall: Sendable {
    var method: HTTPMethod = .GET
    var path: String
    var headers: [(String, String)] = []
    var body: [UInt8] = []
    /// A body that isn't in memory, in place of `body`.
    var upload: Upload?

    /// A large body, which is read as it is sent.
    struct Upload: Sendable {
        /// nil where it isn't known.
        var length: UInt64?
        /// The next piece; nil at the end.
        var next: @Sendable () async throws -> ByteBuffer?
    }
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

/// HTTP/1.1 to one address, plain or over TLS.
struct HTTPTransport: Sendable {
    private let address: ServiceAddress
    private let tls: ClientTLS?

    /// Throws for anything but `http[s]://host[:port]`, and for a certificate that is none.
    init(url: String, caCertificate: String? = nil) throws(ClientError) {
        address = try ServiceAddress(url)
        tls = address.isSecure ? try ClientTLS(server: address.host, caCertificate: caCertificate) : nil
    }

    private typealias Channel = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    /// A new connection with what `initialize`, on its event loop, puts on it.
    func connect<Output: Sendable>(
        _ initialize: @escaping @Sendable (any NIOCore.Channel) throws -> Output
    ) async throws -> Output {
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(5))
                .connect(host: address.host, port: address.port) { [tls] channel in
                    channel.eventLoop.makeCompletedFuture {
                        try tls?.secure(channel)
                        return try initialize(channel)
                    }
                }
        } catch {
            throw ConnectionLost(reason: "\(address): \(error)")
        }
    }

    /// The fields that every request carries.
    var hostField: (String, String) { ("Host", "\(address)") }

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
                    do {
                        if let upload = call.upload {
                            try await write(upload, of: call, to: outbound)
                        } else {
                            try await outbound.write(contentsOf: parts(of: call, isLast: true))
                        }
                    } catch let error as ClientError {
                        failure = error
                        throw error
                    } catch {
                        try Task.checkCancellation()
                    }
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
            // Trying again would not make a server the right one.
            if let untrusted = mistrust(error) { throw untrusted }
            try Task.checkCancellation()
            throw ConnectionLost(reason: "\(error)")
        }
    }

    private func write(
        _ upload: HTTPCall.Upload, of call: HTTPCall, to outbound: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>
    ) async throws {
        var headers = HTTPHeaders([hostField, ("Connection", "close")])
        for (name, value) in call.headers { headers.add(name: name, value: value) }
        if let length = upload.length {
            headers.add(name: "Content-Length", value: String(length))
        } else {
            headers.add(name: "Transfer-Encoding", value: "chunked")
        }
        try await outbound.write(
            .head(HTTPRequestHead(version: .http1_1, method: call.method, uri: call.path, headers: headers)))
        while let piece = try await upload.next() { try await outbound.write(.body(.byteBuffer(piece))) }
        try await outbound.write(.end(nil))
    }

    /// What a server that isn't believed is told as; nil for other failures.
    func mistrust(_ error: any Error) -> ClientError? {
        ClientTLS.mistrust(error).map { .untrusted("\(address): \($0)") }
    }

    /// `call` as it is written; the last of its connection says so.
    func parts(of call: HTTPCall, isLast: Bool) -> [HTTPClientRequestPart] {
        var headers = HTTPHeaders([hostField])
        if isLast { headers.add(name: "Connection", value: "close") }
        for (name, value) in call.headers { headers.add(name: name, value: value) }
        if !call.body.isEmpty || call.method != .GET {
            headers.add(name: "Content-Length", value: String(call.body.count))
        }
        var parts: [HTTPClientRequestPart] = [
            .head(HTTPRequestHead(version: .http1_1, method: call.method, uri: call.path, headers: headers))
        ]
        if !call.body.isEmpty { parts.append(.body(.byteBuffer(ByteBuffer(bytes: call.body)))) }
        parts.append(.end(nil))
        return parts
    }
}
