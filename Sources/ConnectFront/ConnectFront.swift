import FrontConnections
public import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
public import SandboxModel
public import ServiceLifecycle
import Synchronization

/// The connect proxy: HTTP/1.1 and HTTP/2 from clients that hold a connect token, taken to the port of the
/// sandbox that the token names.
///
/// A listener of its own, apart from the API's: what sandboxes serve never shares an origin with the service.
public struct ConnectFront: Sendable {
    private let options: ConnectFrontOptions
    private let tls: NIOSSLContext?
    private let listener: any Channel
    /// Where it listens.
    public let port: Int
    private let binding: Binding

    /// Binds its address. Connections wait until it runs.
    public static func bind(_ options: ConnectFrontOptions) async throws -> ConnectFront {
        let tls = try options.tls.map { try NIOSSLContext(configuration: $0.configuration()) }
        let binding = Binding()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { binding.accept($0, tls) }
            .bind(host: options.host, port: options.port).get()
        return ConnectFront(
            options: options, tls: tls, listener: listener, port: listener.localAddress?.port ?? options.port,
            binding: binding)
    }

    /// The proxy as a service.
    ///
    /// - Parameters:
    ///   - address: where clients reach it; with a host for each port of a sandbox, tokens are good on theirs alone.
    ///   - observer: hears of every request that was answered.
    public func server(
        ports: any SandboxPorts, verifier: any ConnectTokenVerifier, address: ConnectAddress,
        observer: (any ConnectObserver)? = nil, logger: Logger
    ) -> any Service {
        let front = FrontState(
            ports: ports, admission: Admission(verifier: verifier, address: address), options: options,
            observer: observer, logger: logger)
        return ConnectServer(listener: listener, binding: binding, front: front)
    }
}

/// Serves until it is told to stop.
private struct ConnectServer: Service {
    let listener: any Channel
    let binding: Binding
    let front: FrontState

    func run() async throws {
        binding.begin(front)
        try await listener.setOption(.autoRead, value: true).get()
        listener.read()
        try? await gracefulShutdown()
        try? await listener.close().get()
        await binding.end(within: front.options.shutdownGrace)
    }
}

/// The connections of one listener, from their first byte to the last.
private final class Binding: Sendable {
    private struct State {
        var front: FrontState?
        var open: [ObjectIdentifier: any Channel] = [:]
    }

    private let state = Mutex(State())

    func begin(_ front: FrontState) { state.withLock { $0.front = front } }

    func accept(_ channel: any Channel, _ tls: NIOSSLContext?) -> EventLoopFuture<Void> {
        guard let front = state.withLock({ $0.front }), front.connections.take() else {
            return channel.close()
        }
        let key = ObjectIdentifier(channel)
        state.withLock { $0.open[key] = channel }
        channel.closeFuture.whenComplete { [self] _ in
            front.connections.giveBack()
            state.withLock { $0.open[key] = nil }
        }
        return channel.eventLoop.makeCompletedFuture { try ClientChannel(front: front, tls: tls).configure(channel) }
    }

    /// Lets what is under way finish for a moment.
    func end(within grace: Duration) async {
        for channel in state.withLock({ Array($0.open.values) }) {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
        let limit = ContinuousClock.now + grace
        while ContinuousClock.now < limit, state.withLock({ !$0.open.isEmpty }) {
            // Without time to wait there is none for them either.
            do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
        }
        for channel in state.withLock({ Array($0.open.values) }) { channel.close(promise: nil) }
    }
}

/// A connection, of the protocol that its TLS handshake or its first bytes choose.
private struct ClientChannel {
    let front: FrontState
    let tls: NIOSSLContext?

    func configure(_ channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        let spoken: EventLoopFuture<HTTPVersion>
        if let tls {
            try pipeline.addHandler(NIOSSLServerHandler(context: tls))
            let negotiation = NIOTypedApplicationProtocolNegotiationHandler<HTTPVersion> { result, channel in
                channel.eventLoop.makeCompletedFuture {
                    try speak(result == .negotiated("h2") ? .http2 : .http1, channel)
                }
            }
            try pipeline.addHandler(negotiation)
            spoken = negotiation.protocolNegotiationResult
        } else {
            let sniffer = ProtocolSniffer<HTTPVersion>(channel: channel) { try speak($0, channel) }
            try pipeline.addHandler(sniffer)
            spoken = sniffer.spoken
        }
        let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(front.options.clientTimeout)) {
            channel.close(promise: nil)
        }
        spoken.whenComplete { result in
            deadline.cancel()
            if case .failure = result { channel.close(promise: nil) }
        }
    }

    private func speak(_ version: HTTPVersion, _ channel: any Channel) throws -> HTTPVersion {
        let address = ClientAddress(host: channel.remoteAddress?.ipAddress ?? "unknown", isSecure: tls != nil)
        switch version {
        case .http1:
            try channel.pipeline.syncOperations.addHandler(HTTP1Client(front: front, address: address))
        case .http2: try HTTP2Connection(front: front, address: address).configure(channel)
        }
        return version
    }
}
