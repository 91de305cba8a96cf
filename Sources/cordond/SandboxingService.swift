import Access
import LayerKeeping
import LinuxSystem
import Logging
import RESTFront
import SandboxCatalog
import SandboxEngine
import SandboxImages
import SandboxModel
import SandboxRuntime
import SandboxUploads
import SandboxVolumes
import ServiceConfiguration
import ServiceLifecycle
import ShimProtocol

/// The service itself, in a process without rights: its rooms, wired.
struct SandboxingService {
    static let defaultCPUWeight: UInt32 = 125

    private let configuration: ServiceConfiguration
    private let checked: CheckedConfiguration
    /// Held for as long as the service lives: no other serves the same data.
    private let lock: SharedDescriptor

    init(_ checked: CheckedConfiguration, lock: SharedDescriptor) {
        self.checked = checked
        self.lock = lock
        configuration = checked.values
    }

    /// Serves until it is told to stop.
    func serve() async throws {
        let observation = Observation(configuration)
        let logger = observation.logger
        for note in checked.notes { logger.warning("\(note)") }
        let host = try makeHost(logger)
        let state = configuration.stateDirectory
        let catalog = try Catalog(directory: state, logger: logger) { observation.metrics.committed(after: $0) }
        let verifier = TokenVerifier(records: catalog.tokens)
        var limits = EngineLimits()
        limits.maxSandboxes = configuration.maximumSandboxes
        limits.defaultNetwork = configuration.network ? .open : .blocked
        limits.retention = .seconds(configuration.retentionSeconds)
        let names =
            configuration.network
            ? NetworkNames(configuration, descriptors: checked.nameDescriptors, host: host, logger: logger) : nil
        limits.servesNames = names != nil
        let tls = try ServerTLS.establish(configuration, files: checked.identity)
        let connect = try await ConnectProxy.establish(configuration, tls: tls)
        let modal = try await ModalGateway.establish(configuration, tls: tls, descriptors: checked.modalDescriptors)
        let tunnels = try ServerTunnels(
            configuration, files: checked.tunnelIdentity, ofService: checked.identity, host: host, logger: logger)
        let pins = PinBoard()
        let images = try await ImageStore(
            configuration, checked, host: host, catalog: catalog, pins: pins,
            follower: names?.service ?? Unfollowed(), logger: logger)
        let volumes = VolumeStore(
            host: host, machine: host, records: catalog.volumes, pins: pins,
            node: try await catalog.records.node(), logger: logger)
        let hasher = try BodyHasher(directory: state)
        let uploads = try UploadStore(configuration, hasher: hasher, logger: logger)
        let keys = try checked.secretKeys ?? KeyRing.establish(in: state)
        let engine = Engine(
            host: host, records: catalog.records, limits: limits, connectTokens: connect,
            observer: observation.metrics, follower: names?.service ?? Unfollowed(), tunnels: tunnels.service,
            images: images, volumes: volumes,
            secrets: SecretStorage(records: catalog.secrets, sealer: EnvironmentSeal(keys, hasher: hasher)),
            logger: logger)
        names?.follow(engine, images)

        // Everything that lived before is known before the first request is taken.
        let hosting = Task { await host.run() }
        try await engine.recover()
        try await images.recover()
        await names?.serve(attempts: 3)

        let ports = PortMemory(directory: state)
        let front = RESTFront(
            service: engine, images: images, secrets: engine, volumes: volumes, uploads: uploads,
            verifier: VerifierAdapter(verifier: verifier),
            bodyHash: { hasher.hash($0) },
            options: try frontOptions(ports, tls, tunnels), observer: observation.requests,
            metrics: {
                await observation.exposition(
                    of: engine, on: host, names: names?.service, front: $0, tunnels: tunnels.service.traffic)
            },
            logger: logger)
        let published = PublishedAddress()
        let content = try ModalGateway.content(
            configuration, images: images, secrets: engine, volumes: volumes, uploads: uploads, hasher: hasher,
            rest: published,
            logger: logger)
        let server = try front.server { port in
            do {
                try ports.remember(port, for: configuration.listen)
                let host = tls?.host(for: configuration.listen) ?? configuration.listen.clientHost
                let url = "\(tls == nil ? "http" : "https")://\(ListenAddress.authority(host, port))"
                published.set(url)
                _ = try await Credentials.establish(
                    in: state, url: url, grpcURL: modal.address.url, grpcTLSURL: modal.address.tlsURL,
                    caCertificate: tls?.caCertificate, verifier: verifier)
                logger.notice(
                    "cordond serves",
                    metadata: [
                        "url": "\(url)", "connect_url": "\(connect.address)",
                        "modal_url": "\(modal.address.url)", "modal_tls_url": "\(modal.address.tlsURL)",
                        "credentials": "\(state)/credentials.json",
                    ])
                logger.notice("`cordon modal-env` prints what Modal SDKs need in their environment")
            } catch { logger.critical("the credentials could not be written: \(error)") }
        }
        let services: [any Service] =
            [
                EngineService(engine: engine), ImageCollection(images: images), UploadCollection(uploads: uploads),
                VolumeWork(volumes: volumes),
            ]
            + (names.map { [$0] } ?? [])
            + [server, connect.server(engine: engine, observation: observation)]
            + [
                try modal.server(
                    engine: engine, catalog: catalog, images: images, content: content, verifier: verifier,
                    hasher: hasher, directory: state, observation: observation)
            ]
        let group = ServiceGroup(
            configuration: .init(
                services: services.map { .init(service: $0) },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
        hosting.cancel()
        withExtendedLifetime(lock) {}
    }

    private func makeHost(_ logger: Logger) throws -> LocalHost {
        try LocalHost(
            RuntimeConfiguration(
                runDirectory: configuration.runDirectory, dataDirectory: configuration.dataDirectory,
                seccompPrograms: try SeccompPrograms(directory: configuration.policyDirectory).programs,
                defaultLimits: LaunchLimits(
                    memoryBytes: UInt64(configuration.defaultMemoryMiB) << 20, cpuMillicores: 0,
                    cpuWeightMillicores: Self.defaultCPUWeight, pids: UInt32(configuration.defaultPids)),
                defaultDiskMiB: configuration.defaultDiskMiB),
            logger: logger)
    }

    private func frontOptions(_ ports: PortMemory, _ tls: ServerTLS?, _ tunnels: ServerTunnels) throws
        -> RESTFrontOptions
    {
        var options = RESTFrontOptions()
        options.host = configuration.listen.host
        options.port = try ports.port(for: configuration.listen)
        options.tls = tls?.front
        options.tunnelAuthority = tunnels.authority
        options.metricsNeedToken = configuration.metricsAuth == .token
        options.allowedOrigins = configuration.allowedOrigins
        if let maximum = configuration.maximumConnections { options.maximumConnections = maximum }
        if let maximum = configuration.maximumWaits { options.maximumWaits = maximum }
        return options
    }
}

/// The engine's own loop as a service.
private struct EngineService: Service {
    let engine: Engine
    func run() async throws { await cancelWhenGracefulShutdown { await engine.run() } }
}

/// What volumes do that nobody waits for.
private struct VolumeWork: Service {
    let volumes: VolumeStore
    func run() async throws { await cancelWhenGracefulShutdown { await volumes.run() } }
}

/// Tokens as the front checks them.
private struct VerifierAdapter: CallerVerifier {
    let verifier: TokenVerifier
    func verify(bearer: String) async throws -> Caller { try await verifier.verify(bearer: bearer) }
}
