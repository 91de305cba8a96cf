import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import SandboxModel

/// The TLS side of encrypted tunnels.
struct TunnelEncryption: Sendable {
    /// How long a client may take for its handshake.
    private static let handshakeLimit: TimeAmount = .seconds(15)

    private let encrypted: NIOSSLContext
    private let http2: NIOSSLContext
    /// With a dot in front; nil where tunnels have ports of their own.
    private let suffix: String?

    init(_ options: TunnelOptions) throws {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(options.certificateChain).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: options.privateKey, format: .pem)))
        configuration.minimumTLSVersion = .tlsv12
        encrypted = try NIOSSLContext(configuration: configuration)
        configuration.applicationProtocols = ["h2"]
        http2 = try NIOSSLContext(configuration: configuration)
        suffix = options.domain.map { "." + $0.lowercased() }
    }

    /// Which tunnel a client is for.
    enum Destination: Sendable {
        case known(OpenTunnel)
        /// That of a name below the domain, given without it; nil to refuse.
        case named(@Sendable (String) -> OpenTunnel?)
    }

    /// A client asked for no tunnel that there is.
    private struct NoTunnel: Error {}

    /// Takes over a client's socket: TLS with it, and what it says to the server inside.
    func serve(
        _ client: Int32, on group: any EventLoopGroup, to destination: Destination, using use: TunnelUse,
        of service: TunnelService
    ) {
        ClientBootstrap(group: group)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.recvAllocator, value: TunnelBridge.allocator)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try start(channel, destination, use, service) }
            }
            .withConnectedSocket(client)
            .whenComplete { result in
                switch result {
                // Not before: a channel must not be closed while it is being set up, and a tunnel may be closed by now.
                case .success(let channel): if case .known(let tunnel) = destination { tunnel.keep(channel) }
                case .failure: use.finish(inward: 0, outward: 0)
                }
            }
    }

    private func start(
        _ channel: any Channel, _ destination: Destination, _ use: TunnelUse, _ service: TunnelService
    ) throws {
        let timeout = channel.eventLoop.scheduleTask(in: Self.handshakeLimit) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in
            timeout.cancel()
            // From there on the inner connection's end is the whole's.
            if !use.hasReachedServer { use.finish(inward: 0, outward: 0) }
        }
        let greeting = GreetingWatch()
        try channel.pipeline.syncOperations.addHandler(greeting)
        let done = {
            timeout.cancel()
            greeting.isOver = true
        }
        switch destination {
        case .known(let tunnel): try encrypt(channel, for: tunnel, done, use, service)
        case .named(let find):
            let reader = SNIHandler { result in
                channel.eventLoop.makeCompletedFuture {
                    guard let tunnel = label(of: result).flatMap(find) else {
                        channel.close(promise: nil)
                        throw NoTunnel()
                    }
                    try encrypt(channel, for: tunnel, done, use, service)
                    tunnel.keep(channel)
                }
            }
            try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(reader))
        }
    }

    /// What a client's server name says below the domain (RFC 6066, 3).
    private func label(of result: SNIResult) -> String? {
        guard case .hostname(let host) = result, let suffix, host.lowercased().hasSuffix(suffix) else { return nil }
        return String(host.lowercased().dropLast(suffix.count))
    }

    private func encrypt(
        _ channel: any Channel, for tunnel: OpenTunnel, _ done: @escaping () -> Void, _ use: TunnelUse,
        _ service: TunnelService
    ) throws {
        let bridge = TunnelBridge { [channel] bridge in
            done()
            TunnelBridge.connect(bridge, of: channel, through: tunnel, use, service)
        }
        try channel.pipeline.syncOperations.addHandler(
            NIOSSLServerHandler(context: tunnel.port.kind == .h2 ? http2 : encrypted))
        try channel.pipeline.syncOperations.addHandler(bridge)
    }
}

/// Ends a connection whose client says no more before TLS is set up: what is missing can't come.
private final class GreetingWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// Ends of data are the tunnel's matter from here on.
    var isOver = false

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard !isOver, case .inputClosed? = event as? ChannelEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        context.close(promise: nil)
    }
}
