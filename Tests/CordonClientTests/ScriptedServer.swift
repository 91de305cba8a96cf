import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import ServerCertificates
import Synchronization

/// One request as the scripted server saw it.
struct SeenRequest: Sendable {
    var method: String
    var uri: String
    var headers: [String: String]
    var body: [UInt8]
}

/// What the scripted server does with one request.
enum ScriptedAnswer: Sendable {
    /// An answer; with `cutAfter`, only so many bytes of the body, and then the connection breaks.
    case answer(
        status: Int = 200, headers: [String: String] = [:], body: [UInt8], trailers: [String: String] = [:],
        cutAfter: Int? = nil)
    /// The connection breaks without a word.
    case hangUp
}

/// An HTTP server whose answers a test writes.
final class ScriptedServer: Sendable {
    private let channel: any Channel
    let port: Int

    /// - Parameter identity: with it the server speaks TLS.
    static func run(
        as identity: ServerIdentity? = nil, _ script: @escaping @Sendable (SeenRequest) -> ScriptedAnswer,
        _ body: (ScriptedServer) async throws -> Void
    ) async throws {
        let tls = try identity.map { identity in
            let chain = try NIOSSLCertificate.fromPEMBytes(identity.certificateChainPEM)
            let key = try NIOSSLPrivateKey(bytes: identity.privateKeyPEM, format: .pem)
            return try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)))
        }
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(ScriptHandler(script))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = ScriptedServer(channel)
        do {
            try await body(server)
        } catch {
            try? await channel.close()
            throw error
        }
        try await channel.close()
    }

    private init(_ channel: any Channel) {
        self.channel = channel
        self.port = channel.localAddress?.port ?? 0
    }
}

private final class ScriptHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let script: @Sendable (SeenRequest) -> ScriptedAnswer
    private var request = SeenRequest(method: "", uri: "", headers: [:], body: [])

    init(_ script: @escaping @Sendable (SeenRequest) -> ScriptedAnswer) { self.script = script }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            let headers = head.headers.map { ($0.name.lowercased(), $0.value) }
            request = SeenRequest(
                method: head.method.rawValue, uri: head.uri, headers: Dictionary(headers) { $1 }, body: [])
        case .body(let bytes): request.body += bytes.readableBytesView
        case .end: answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        guard case .answer(let status, let headers, let body, let trailers, let cut) = script(request) else {
            context.close(promise: nil)
            return
        }
        var fields = HTTPHeaders(headers.map { ($0.key, $0.value) })
        fields.add(name: "Transfer-Encoding", value: "chunked")
        context.write(
            wrapOutboundOut(.head(.init(version: .http1_1, status: .init(statusCode: status), headers: fields))),
            promise: nil)
        context.write(
            wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body.prefix(cut ?? body.count))))), promise: nil)
        if cut == nil {
            context.write(wrapOutboundOut(.end(HTTPHeaders(trailers.map { ($0.key, $0.value) }))), promise: nil)
        }
        context.flush()
        context.close(promise: nil)
    }
}
