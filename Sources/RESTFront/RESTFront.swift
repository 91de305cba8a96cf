import CordonAPI
import FrontConnections
import HummingbirdCore
public import Logging
import NIOCore
import NIOPosix
import NIOSSL
public import SandboxModel
public import ServiceLifecycle

/// The REST front: decodes HTTP requests, 1.1 and 2, plain or over TLS, all on one port, calls the
/// engine, encodes its answers.
public struct RESTFront: Sendable {
    /// The contract, `openapi.yaml`, as compiled in.
    public static var embeddedOpenAPIDocument: [UInt8] { PackageResources.openapi_yaml }

    /// Every operation that is answered: method and path as in the contract.
    package static var operations: [(method: String, path: String)] {
        FrontState.routes.map { ($0.method.rawValue, $0.pattern) }
    }

    /// The patterns of all routes.
    public static var routePatterns: [String] {
        var patterns: [String] = []
        for route in FrontState.routes where !patterns.contains(route.pattern) { patterns.append(route.pattern) }
        return patterns
    }

    let state: FrontState

    /// - Parameters:
    ///   - bodyHash: a keyed hash of a request, kept beside its idempotency key.
    ///   - observer: hears of every request that was answered.
    ///   - metrics: what `/metrics` answers, in Prometheus' text format.
    ///   - openAPIDocument: what `/openapi.yaml` answers.
    public init(
        service: any SandboxService, images: any ImageService = NoImages(), secrets: any SecretService,
        volumes: any VolumeService = NoVolumes(),
        uploads: any UploadService = NoUploads(),
        verifier: any CallerVerifier,
        bodyHash: @escaping @Sendable ([UInt8]) -> [UInt8],
        options: RESTFrontOptions = RESTFrontOptions(),
        openAPIDocument: [UInt8] = RESTFront.embeddedOpenAPIDocument, observer: (any RequestObserver)? = nil,
        metrics: @escaping @Sendable (FrontLoad) async -> String = { _ in "" }, logger: Logger
    ) {
        self.init(
            service: service, images: images, secrets: secrets, volumes: volumes, uploads: uploads, verifier: verifier,
            bodyHash: bodyHash,
            options: options,
            openAPIDocument: openAPIDocument, furtherRoutes: [], observer: observer, metrics: metrics, logger: logger)
    }

    /// - Parameter furtherRoutes: what tests serve beside the contract.
    package init(
        service: any SandboxService, images: any ImageService = NoImages(), secrets: any SecretService,
        volumes: any VolumeService = NoVolumes(),
        uploads: any UploadService = NoUploads(),
        verifier: any CallerVerifier,
        bodyHash: @escaping @Sendable ([UInt8]) -> [UInt8],
        options: RESTFrontOptions, openAPIDocument: [UInt8] = RESTFront.embeddedOpenAPIDocument,
        furtherRoutes: [Route], observer: (any RequestObserver)? = nil,
        metrics: @escaping @Sendable (FrontLoad) async -> String = { _ in "" }, logger: Logger
    ) {
        state = FrontState(
            service: service, images: images, secrets: secrets, volumes: volumes, uploads: uploads, verifier: verifier,
            bodyHash: bodyHash,
            options: options,
            openAPIDocument: openAPIDocument, furtherRoutes: furtherRoutes, observer: observer, metrics: metrics,
            logger: logger)
    }

    /// The front as a service: binds its address when it runs, and on graceful shutdown ends waits
    /// and followed streams, lets short answers finish, and returns.
    ///
    /// - Parameter onListening: called once with the port, before the first request is answered.
    ///   The port is already bound: a client that connects meanwhile waits.
    ///   Throws when certificate and key are of no use together.
    public func server(onListening: @escaping @Sendable (Int) async -> Void = { _ in }) throws -> any Service {
        let tls = try state.options.tls.map { try NIOSSLContext(configuration: $0.configuration()) }
        return Server(
            childChannelSetup: FrontChannel(front: state, places: state.connections, tls: tls),
            configuration: ServerConfiguration(
                address: .hostname(state.options.host, port: state.options.port), serverName: nil, backlog: 1024),
            onServerRunning: { channel in await onListening(channel.localAddress?.port ?? 0) },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: state.logger)
    }
}
