import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import SandboxModel

/// HTTP/1.1 to registries, a connection for each request: they are few, and most are large.
struct RegistryTransport: Sendable {
    typealias Channel = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    /// How long a server may say nothing at all.
    private static let silence = TimeAmount.seconds(60)
    private static let connectLimit = TimeAmount.seconds(10)

    private let tls: NIOSSLContext

    /// Trusts what the system trusts, and those authorities.
    init(trust: RegistryTrust) throws {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if !trust.authorities.isEmpty { configuration.additionalTrustRoots = [.certificates(trust.authorities)] }
        tls = try NIOSSLContext(configuration: configuration)
    }

    /// Asks for a URL, and gives the answer to `use`, whose end is the connection's. Throws `unreachable` where
    /// there is no whole answer.
    func get<Value: Sendable>(
        _ url: RegistryURL, fields: [(String, String)],
        _ use: (HTTPResponseHead, inout ResponsePieces) async throws -> Value
    ) async throws -> Value {
        let channel: Channel
        do { channel = try await connect(url) } catch {
            try Task.checkCancellation()
            throw RegistryError.unreachable(host: url.authority, why: "\(error)")
        }
        var failure: (any Error)?
        do {
            return try await channel.executeThenClose { inbound, outbound in
                let head = HTTPRequestHead(
                    version: .http1_1, method: .GET, uri: url.target,
                    headers: HTTPHeaders(
                        [("Host", url.authority), ("User-Agent", "cordon"), ("Connection", "close")] + fields))
                try await outbound.write(contentsOf: [.head(head), .end(nil)])
                var pieces = ResponsePieces(inbound.makeAsyncIterator())
                let response = try await pieces.head()
                do { return try await use(response, &pieces) } catch {
                    failure = error
                    throw error
                }
            }
        } catch {
            // What `use` threw is its own; all else is the connection's.
            if let failure { throw Self.converted(failure, url) }
            try Task.checkCancellation()
            throw RegistryError.unreachable(host: url.authority, why: "\(error)")
        }
    }

    private static func converted(_ error: any Error, _ url: RegistryURL) -> any Error {
        switch error {
        case let broken as ResponsePieces.BrokenOff: RegistryError.unreachable(host: url.authority, why: broken.why)
        default: error
        }
    }

    private func connect(_ url: RegistryURL) async throws -> Channel {
        let isAddress = (try? SocketAddress(ipAddress: url.host, port: 0)) != nil
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(Self.connectLimit)
            .connect(host: url.host, port: url.port) { [tls] channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if url.isSecure {
                        try pipeline.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : url.host))
                    }
                    try pipeline.addHandler(IdleStateHandler(readTimeout: Self.silence))
                    try pipeline.addHandler(SilenceEnd())
                    try pipeline.addHTTPClientHandlers()
                    return try Channel(wrappingChannelSynchronously: channel)
                }
            }
    }
}

/// An answer's parts as they come.
struct ResponsePieces {
    /// The connection ended, or failed, before the answer did.
    struct BrokenOff: Error {
        let why: String
    }

    private var parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator

    fileprivate init(_ parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator) { self.parts = parts }

    fileprivate mutating func head() async throws -> HTTPResponseHead {
        while let part = try await parts.next() {
            if case .head(let head) = part, head.status.code >= 200 { return head }
        }
        throw BrokenOff(why: "it closed the connection without an answer")
    }

    /// The next bytes of the body; nil at its end. Throws `BrokenOff`.
    mutating func next() async throws -> ByteBuffer? {
        do {
            while let part = try await parts.next() {
                switch part {
                case .head: continue
                case .body(let bytes): return bytes
                case .end: return nil
                }
            }
        } catch {
            try Task.checkCancellation()
            throw BrokenOff(why: "\(error)")
        }
        try Task.checkCancellation()
        throw BrokenOff(why: "it closed the connection within the answer")
    }

    /// The rest of a body that must be small.
    mutating func all(upTo limit: Int, what: String) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try await next() {
            guard bytes.count + piece.readableBytes <= limit else {
                throw RegistryError.tooLarge(
                    what: what, bytes: UInt64(bytes.count + piece.readableBytes), limit: UInt64(limit))
            }
            bytes.append(contentsOf: piece.readableBytesView)
        }
        return bytes
    }
}

/// Closes a connection on which nothing has come for a while.
private final class SilenceEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
