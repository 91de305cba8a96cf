import Access
import Foundation
import Logging
import SandboxCatalog
import SandboxEngine
import SandboxModel
import Testing

/// An engine over a real catalog in a directory of its own and a fake machine.
final class Fixture: Sendable {
    let directory: String
    let host: FakeHost
    let clock: ManualClock
    let catalog: Catalog
    let engine: Engine
    let tunnels = FakeTunnels()
    private let ownsDirectory: Bool
    private let running: Task<Void, Never>

    /// A line of a keys file, each number another key.
    static func keyLine(_ number: UInt8) -> String {
        "k\(number):" + Data(repeating: number, count: 32).base64EncodedString()
    }

    static let caller = Caller(tokenID: "tk-test")

    convenience init(_ limits: EngineLimits = EngineLimits()) async throws {
        let path = NSTemporaryDirectory() + "engine-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try await self.init(path, FakeHost(), ManualClock(), limits, owns: true)
    }

    private init(
        _ directory: String, _ host: FakeHost, _ clock: ManualClock, _ limits: EngineLimits, owns: Bool,
        keys: String = Fixture.keyLine(1)
    ) async throws {
        self.directory = directory
        self.host = host
        self.clock = clock
        ownsDirectory = owns
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        catalog = try Catalog(directory: directory, logger: logger)
        let seal = EnvironmentSeal(try KeyRing(text: keys), hasher: try BodyHasher(directory: directory))
        let engine = Engine(
            host: host, records: catalog.records, limits: limits, clock: clock, tunnels: tunnels, images: FakeImages(),
            secrets: SecretStorage(records: catalog.secrets, sealer: seal), logger: logger)
        self.engine = engine
        try await engine.recover()
        running = Task { await engine.run() }
    }

    deinit {
        running.cancel()
        if ownsDirectory { try? FileManager.default.removeItem(atPath: directory) }
    }

    /// The service after a SIGKILL: a new engine over the same files and the same machine. `self`
    /// must be kept as long as the result: it owns the directory.
    func restarted(_ limits: EngineLimits = EngineLimits(), keys: String = Fixture.keyLine(1)) async throws -> Fixture {
        running.cancel()
        return try await Fixture(directory, host.afterRestart(), clock, limits, owns: false, keys: keys)
    }

    func create(_ spec: SandboxSpec = SandboxSpec(), key: String? = nil, body: UInt8 = 1) async throws
        -> SandboxSnapshot
    {
        try await engine.create(spec, by: Self.caller, key: key.map { Self.key($0, body) })
    }

    func start(_ spec: ExecSpec, in id: SandboxID, key: String? = nil, body: UInt8 = 1) async throws -> ExecSnapshot {
        try await engine.startExec(
            spec, in: id, by: Self.caller,
            key: key.map { IdempotencyKey(key: $0, route: "POST /v1/sandboxes/{id}/execs", bodyHash: [body]) })
    }

    static func key(_ key: String, _ body: UInt8 = 1) -> IdempotencyKey {
        IdempotencyKey(key: key, route: "POST /v1/sandboxes", bodyHash: [body])
    }
}

func sh(_ id: String? = nil, _ argv: [String] = ["sh"]) throws -> ExecSpec {
    let id = try id.map { try #require(ExecID($0)) } ?? .mint()
    return ExecSpec(id: id, command: try CommandSpec(argv: argv))
}

/// The code of the `CordonError` that `work` throws; nil when it throws none.
func code(_ work: () async throws -> Void) async -> ErrorCode? {
    do {
        try await work()
        return nil
    } catch {
        return (error as? CordonError)?.code
    }
}

/// Lets other tasks go on until `condition` holds; gives up after five seconds.
func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
    for _ in 0..<2500 {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(2))
    }
    return false
}

extension SandboxStatus {
    var ending: Ending? { if case .ended(let ending) = self { ending } else { nil } }
}

extension ExecStatus {
    var ending: Ending? { if case .ended(let ending) = self { ending } else { nil } }
}
