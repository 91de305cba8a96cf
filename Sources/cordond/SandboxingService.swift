import Access
import LinuxSystem
import Logging
import RESTFront
import SandboxCatalog
import SandboxEngine
import SandboxModel
import SandboxRuntime
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
        limits.retention = .seconds(configuration.retentionSeconds)
        let engine = Engine(
            host: host, records: catalog.records, limits: limits, observer: observation.metrics, logger: logger)

        // Everything that lived before is known before the first request is taken.
        let hosting = Task { await host.run() }
        try await engine.recover()

        let hasher = try BodyHasher(directory: state)
        let ports = PortMemory(directory: state)
        let tls = try ServerTLS.establish(configuration, files: checked.identity)
        let front = RESTFront(
            service: engine, verifier: VerifierAdapter(verifier: verifier), bodyHash: { hasher.hash($0) },
            options: try frontOptions(ports, tls), observer: observation.requests,
            metrics: { await observation.exposition(of: engine, on: host, front: $0) }, logger: logger)
        let server = try front.server { port in
            do {
                try ports.remember(port, for: configuration.listen)
                let host = tls?.host(for: configuration.listen) ?? configuration.listen.clientHost
                let url = "\(tls == nil ? "http" : "https")://\(ListenAddress.authority(host, port))"
                _ = try await Credentials.establish(
                    in: state, url: url, caCertificate: tls?.caCertificate, verifier: verifier)
                logger.notice(
                    "cordond serves", metadata: ["url": "\(url)", "credentials": "\(state)/credentials.json"])
            } catch { logger.critical("the credentials could not be written: \(error)") }
        }
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: EngineService(engine: engine)), .init(service: server),
                ],
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
                    cpuWeightMillicores: Self.defaultCPUWeight, pids: UInt32(configuration.defaultPids))),
            logger: logger)
    }

    private func frontOptions(_ ports: PortMemory, _ tls: ServerTLS?) throws -> RESTFrontOptions {
        var options = RESTFrontOptions()
        options.host = configuration.listen.host
        options.port = try ports.port(for: configuration.listen)
        options.tls = tls?.front
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

/// Tokens as the front checks them.
private struct VerifierAdapter: CallerVerifier {
    let verifier: TokenVerifier
    func verify(bearer: String) async throws -> Caller { try await verifier.verify(bearer: bearer) }
}
