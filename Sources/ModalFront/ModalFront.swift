import FrontConnections
import GRPCCore
import GRPCNIOTransportHTTP2Posix
public import Logging
import NIOCore
import NIOSSL
public import SandboxModel
public import ServiceLifecycle

/// The Modal front: the protocol of the official Modal SDKs, with the same sandboxes, images and secrets behind it as
/// REST has. Both of its services answer at two addresses, in plain text (HTTP/2 with prior knowledge) and over TLS.
public struct ModalFront: Sendable {
    private let options: ModalFrontOptions
    private let plain: Listener
    private let secure: Listener

    /// Where the plain listener is bound.
    public var port: Int { plain.port }
    public var tlsPort: Int { secure.port }

    /// Binds both addresses. Connections wait until the front runs.
    public static func bind(_ options: ModalFrontOptions) async throws -> ModalFront {
        let places = Places(options.maximumConnections)
        var tls = try options.tls.configuration()
        // Offered, and not asked for: the SDKs send none to a task's router.
        tls.applicationProtocols = ["h2"]
        return ModalFront(
            options: options,
            plain: try await Listener.bind(host: options.host, port: options.port, tls: nil, places: places),
            secure: try await Listener.bind(
                host: options.tlsHost, port: options.tlsPort, tls: try NIOSSLContext(configuration: tls),
                places: places))
    }

    /// The front as a service.
    ///
    /// - Parameters:
    ///   - bodyHash: a keyed hash of a request, kept beside its idempotency key.
    ///   - address: where clients reach it.
    ///   - observer: hears of every call that was answered.
    public func server(
        service: any SandboxService, apps: any AppService, images: any ImageService, secrets: any SecretService,
        content: ModalContent, access: any ModalAccess, bodyHash: @escaping @Sendable ([UInt8]) -> [UInt8],
        address: ModalAddress,
        observer: (any CallObserver)? = nil, logger: Logger
    ) -> any Service {
        let readers = Places(options.maximumReaders)
        let state = FrontState(
            service: service, apps: apps, images: images, secrets: secrets, content: content,
            admission: Admission(access: access),
            bodyHash: bodyHash, address: address, readers: readers, pieceBytes: options.pieceBytes,
            files: FileProgram(service: service, execs: FileExecs(), places: readers), observer: observer,
            logger: logger)
        return ModalServer(options: options, plain: plain, secure: secure, state: state)
    }

    /// Every call that is answered, for holding it against the protocol files.
    package static var signatures: [CallSignature] { CallTable.complete(front: nil).signatures }
    /// The names of those that are answered with a sentence about what isn't served.
    package static var refused: Set<String> { CallTable.complete(front: nil).refused }
}

/// Serves until it is told to stop.
private struct ModalServer: Service, CustomStringConvertible {
    /// For the log of the services' group, which shows all of a service otherwise.
    let description = "ModalServer"
    let options: ModalFrontOptions
    let plain: Listener
    let secure: Listener
    let state: FrontState

    func run() async throws {
        let room = Places(options.maximumRequestBytes)
        var secureState = state
        secureState.isSecure = true
        let servers = [(plain, state), (secure, secureState)].map { listener, state in
            GRPCServer(
                transport: ModalTransport(listenerFactory: listener, config: configuration(of: listener, room)),
                router: CallTable.complete(front: state).router)
        }
        try await withThrowingDiscardingTaskGroup { group in
            for server in servers { group.addTask { try await server.serve() } }
            try? await gracefulShutdown()
            async let plainEnd: Void = plain.end(within: options.shutdownGrace)
            async let secureEnd: Void = secure.end(within: options.shutdownGrace)
            _ = await (plainEnd, secureEnd)
        }
    }

    private func configuration(of listener: Listener, _ room: Places) -> ModalTransport.Config {
        var configuration = ModalTransport.Config.defaults
        configuration.rpc.maxRequestPayloadSize = InboundBudget.messageBytes
        configuration.http2.targetWindowSize = 4 << 20
        configuration.http2.maxConcurrentStreams = options.maximumCallsOfConnection
        // Clients ping idle connections every 15 to 30 s, and are neither idle nor abusive by that.
        configuration.connection.keepalive.clientBehavior = .init(
            minPingIntervalWithoutCalls: .seconds(5), allowWithoutCalls: true)
        // Waiting for more to send would be felt in every short call.
        configuration.connection.flushCoalescing = nil
        configuration.channelDebuggingCallbacks.onAcceptHTTP2Stream = { channel in
            if let connection = channel.parent { listener.keep(connection) }
            return channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(InboundBudget(room: room), position: .first)
            }
        }
        return configuration
    }
}
