import Access
import ArgumentParser
import CLinux
import Foundation
import LinuxSystem
import Logging
import RESTFront
import SandboxCatalog
import SandboxEngine
import SandboxModel
import SandboxRuntime
import ServiceLifecycle
import ShimProtocol

/// `cordond`: starts the launcher, gives up every right, and serves.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Serve (the default).")

    @OptionGroup var places: Places

    @Option(help: "Address and port of the REST API; port 0 takes a free one, and the same again later.")
    var listen = "127.0.0.1:7747"

    @Option(help: "The account to serve as; without one, an id that nobody else has.")
    var user: String?

    @Option(help: "A directory of further seccomp policies (NAME.json).")
    var policyDir: String?

    @Option(help: "How many sandboxes are kept prepared.")
    var poolSize = 8

    @Option(help: "Memory limit of a sandbox that asks for none, in MiB.")
    var defaultMemoryMib: UInt64 = 1024

    @Option(help: "Limit of processes of a sandbox that asks for none.")
    var defaultPids: UInt32 = 1024

    @Option(help: "The most sandboxes that run at a time.")
    var maxSandboxes = 4000

    @Option(help: "How long ended sandboxes and their output are kept, in seconds.")
    var retentionSeconds: Double = 86_400

    @Option(help: "Bytes of output kept of one exec, in MiB.")
    var execSpoolMib: UInt64 = 256

    @Option(help: "Bytes of output kept of one sandbox, in MiB.")
    var sandboxSpoolMib: UInt64 = 1024

    @Option(help: "Free disk space that output never takes, in MiB.")
    var diskReserveMib: UInt64 = 1024

    @Option(help: "How layers are mounted: auto, descriptors or attached-clones.")
    var overlayMethod = OverlayMethodName.auto

    @Flag(help: "Hide the host's /usr/local from sandboxes.")
    var hideUsrLocal = false

    @Option(help: "What to log.")
    var logLevel = LogLevelName.info

    enum LogLevelName: String, ExpressibleByArgument, CaseIterable {
        case trace, debug, info, notice, warning, error, critical
    }

    enum OverlayMethodName: String, ExpressibleByArgument, CaseIterable {
        case auto
        case descriptors
        case attachedClones = "attached-clones"
    }

    mutating func validate() throws {
        _ = try ListenAddress(listen)
        guard (0...256).contains(poolSize) else { throw ValidationError("--pool-size is 0–256") }
        guard defaultMemoryMib >= 16 else { throw ValidationError("--default-memory-mib is at least 16") }
        guard (2...4_000_000).contains(defaultPids) else { throw ValidationError("--default-pids is 2–4000000") }
        guard (1...4000).contains(maxSandboxes) else { throw ValidationError("--max-sandboxes is 1–4000") }
        guard retentionSeconds >= 0 else { throw ValidationError("--retention-seconds is not negative") }
        guard execSpoolMib >= 1, sandboxSpoolMib >= execSpoolMib else {
            throw ValidationError("--exec-spool-mib is at least 1, and at most --sandbox-spool-mib")
        }
    }

    /// Directories, launcher, and the end of all rights. Runs before any other thread exists.
    func prepareAsRoot() throws -> SharedDescriptor {
        _ = cordon_raise_descriptor_limit()
        let installation = try Installation(places: places, user: user)
        let lock = try installation.takeOver()
        try installation.startLauncher(arguments: launcherArguments)
        try installation.giveUpRights()
        return lock
    }

    /// Serves until it is told to stop.
    func serve() async throws {
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        let logger = makeLogger()
        let programs = try SeccompPrograms(directory: policyDir).programs
        let host = try LocalHost(
            RuntimeConfiguration(
                runDirectory: places.runDir, dataDirectory: places.dataDir, seccompPrograms: programs,
                defaultLimits: LaunchLimits(
                    memoryBytes: defaultMemoryMib << 20, cpuMillicores: 0,
                    cpuWeightMillicores: Self.defaultCPUWeight, pids: defaultPids)),
            logger: logger)
        let state = places.stateDirectory
        let catalog = try Catalog(directory: state, logger: logger)
        let verifier = TokenVerifier(records: catalog.tokens)
        let hasher = try BodyHasher(directory: state)
        var limits = EngineLimits()
        limits.maxSandboxes = maxSandboxes
        limits.retention = .seconds(retentionSeconds)
        let engine = Engine(host: host, records: catalog.records, limits: limits, logger: logger)

        // Everything that lived before is known before the first request is taken.
        let hosting = Task { await host.run() }
        try await engine.recover()

        let address = try ListenAddress(listen)
        let ports = PortMemory(directory: state)
        var options = RESTFrontOptions()
        options.host = address.host
        options.port = try ports.port(for: address)
        let front = RESTFront(
            service: engine, verifier: VerifierAdapter(verifier: verifier), bodyHash: { hasher.hash($0) },
            options: options, logger: logger)
        let server = front.server { port in
            do {
                try ports.remember(port, for: address)
                let url = "http://\(address.host):\(port)"
                _ = try await Credentials.establish(in: state, url: url, verifier: verifier)
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
    }

    private func makeLogger() -> Logger {
        var logger = Logger(label: "cordond")
        logger.logLevel = Logger.Level(rawValue: logLevel.rawValue) ?? .info
        return logger
    }

    private static let defaultCPUWeight: UInt32 = 125

    private var launcherArguments: [String] {
        [
            "--pool-size", "\(poolSize)", "--hide-usr-local", "\(hideUsrLocal)",
            "--default-memory-mib", "\(defaultMemoryMib)", "--default-pids", "\(defaultPids)",
            "--default-cpu-weight", "\(Self.defaultCPUWeight)", "--exec-spool-mib", "\(execSpoolMib)",
            "--sandbox-spool-mib", "\(sandboxSpoolMib)", "--disk-reserve-mib", "\(diskReserveMib)",
            "--overlay-method", "\(OverlayMethodName.allCases.firstIndex(of: overlayMethod) ?? 0)",
        ]
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
