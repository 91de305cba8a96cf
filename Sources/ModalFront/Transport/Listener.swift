import FrontConnections
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

typealias ModalTransport = HTTP2ServerTransport.Custom<Listener>

/// One bound address that takes gRPC's connections once it is served.
struct Listener: HTTP2ServerTransport.ListenerFactory {
    typealias Connection = HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel

    let port: Int
    private let channel: NIOAsyncChannel<Connection, Never>
    private let connections: Connections

    var eventLoopGroup: any EventLoopGroup { MultiThreadedEventLoopGroup.singleton }

    /// Binds an address. Connections wait until it is served.
    ///
    /// - Parameter tls: nil for plain text.
    static func bind(host: String, port: Int, tls: NIOSSLContext?, places: Places) async throws -> Listener {
        let connections = Connections(tls: tls, places: places)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.autoRead, value: false)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .bind(host: host, port: port) { connections.accept($0) }
        return Listener(
            port: channel.channel.localAddress?.port ?? port, channel: channel, connections: connections)
    }

    /// The quiescing that the listener is offered is left aside: its connections are known here, as those that there
    /// is no place for have to be.
    func makeListeningChannel(
        listenerConfigurator: HTTP2ServerTransport.ListenerConfigurator,
        connectionConfigurator: HTTP2ServerTransport.ConnectionConfigurator
    ) async throws -> NIOAsyncChannel<Connection, Never> {
        connections.begin(connectionConfigurator)
        try await channel.channel.setOption(.autoRead, value: true).get()
        channel.channel.read()
        return channel
    }

    /// A call has come on a connection, which may stay for as long as it likes from then on.
    func keep(_ connection: any Channel) { connections.keep(connection) }

    /// Takes no more connections, and ends those that there are; calls under way get a moment.
    func end(within grace: Duration) async {
        try? await channel.channel.close().get()
        await connections.end(within: grace)
    }
}

/// The connections of one listener, from their first byte to the last.
private final class Connections: Sendable {
    private struct State {
        var configurator: HTTP2ServerTransport.ConnectionConfigurator?
        var open: [ObjectIdentifier: any Channel] = [:]
        /// Those on which there was a call.
        var used: Set<ObjectIdentifier> = []
    }

    /// How long a connection may be there without a single call: clients make theirs when they have one.
    private static let patience: TimeAmount = .seconds(120)

    private struct NoPlace: Error {}

    private let tls: NIOSSLContext?
    private let places: Places
    private let state = Mutex(State())

    init(tls: NIOSSLContext?, places: Places) {
        self.tls = tls
        self.places = places
    }

    func begin(_ configurator: HTTP2ServerTransport.ConnectionConfigurator) {
        state.withLock { $0.configurator = configurator }
    }

    func accept(_ channel: any Channel) -> EventLoopFuture<Listener.Connection> {
        guard let configurator = state.withLock({ $0.configurator }), places.take() else {
            return channel.eventLoop.makeFailedFuture(NoPlace())
        }
        let key = ObjectIdentifier(channel)
        state.withLock { $0.open[key] = channel }
        let deadline = channel.eventLoop.scheduleTask(in: Self.patience) { [self] in
            if !state.withLock({ $0.used.contains(key) }) { channel.close(promise: nil) }
        }
        channel.closeFuture.whenComplete { [self] _ in
            deadline.cancel()
            places.giveBack()
            state.withLock { state in
                state.open[key] = nil
                state.used.remove(key)
            }
        }
        return channel.eventLoop.makeCompletedFuture { [tls] in
            let pipeline = channel.pipeline.syncOperations
            if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
            try pipeline.addHandler(RepeatedResetFilter())
        }.flatMap { [tls] in
            configurator.configure(channel: channel, tls: tls == nil ? .none : .configured(requireALPN: false))
        }
    }

    func keep(_ connection: any Channel) {
        let key = ObjectIdentifier(connection)
        state.withLock { state in
            if state.open[key] != nil { state.used.insert(key) }
        }
    }

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
