import Foundation
import GRDB
import Logging
import SandboxCatalog
import SandboxModel
import Testing

/// A directory that goes with the value.
private final class Directory {
    let path = NSTemporaryDirectory() + "catalog-" + UUID().uuidString
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func open() throws -> Catalog {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try Catalog(directory: path, logger: logger)
    }

    func raw(_ file: String, _ sql: String) throws {
        try DatabaseQueue(path: path + "/" + file).write { try $0.execute(sql: sql) }
    }
}

@Suite struct CatalogTests {
    private let caller = Caller(tokenID: "tk-x")

    private func sandbox(
        _ spec: SandboxSpec = SandboxSpec(), at: Int64 = Int64.random(in: 1..<1 << 50)
    ) throws -> SandboxSnapshot {
        SandboxSnapshot(
            id: .mint(lead: "abcd"), spec: spec, appID: .mint(), status: .creating,
            createdAt: Timestamp(microseconds: at))
    }

    private var fullSpec: SandboxSpec {
        get throws {
            var spec = SandboxSpec(
                app: try AppName("app"), name: try SandboxName("name"), tags: try Tags(["k/1": "ü"]), image: "host",
                command: try CommandSpec(argv: ["sh", "-c", "\u{1}\"\\🙂\n"]),
                terminal: try TerminalSpec(size: TerminalSize(rows: 1, columns: 65_535), term: "vt100"),
                environment: try Environment(["A": "b=c\u{7f}"]),
                workdir: "/w", timeout: .milliseconds(1500), idleTimeout: .seconds(3),
                resources: Resources(
                    cpuMillicores: .init(request: 1, limit: 2), memoryMiB: .init(request: 3, limit: 4), pidsLimit: 5,
                    diskMiB: 64),
                policy: "strict")
            spec.tunnels = try TunnelSpec(
                [
                    TunnelPort(port: 80, kind: .encrypted, place: .name("abc")), TunnelPort(port: 81, kind: .h2),
                    TunnelPort(port: 65_535, kind: .unencrypted, place: .port(20_000)),
                ], inbound: [AddressRange(literal: "10.0.0.0/8"), AddressRange(literal: "::1/128")])
            spec.readinessProbe = try ReadinessProbe(
                .exec(try CommandSpec(argv: ["test", "-e", "x"])), interval: .seconds(2), timeout: .milliseconds(50))
            spec.volumes = [
                VolumeMount(volume: .id(.mint()), path: try FilePath("/a")),
                VolumeMount(
                    volume: .name(try VolumeName("v")), path: try FilePath("/b/c"), isReadOnly: true,
                    subPath: try VolumePath("d/e")),
            ]
            spec.buckets = [
                BucketMount(bucket: try BucketName("abc"), path: try FilePath("/d")),
                BucketMount(
                    bucket: try BucketName("d.e-f"), path: try FilePath("/e"), prefix: try KeyPrefix("g/h"),
                    endpoint: try BucketEndpoint("http://x:1"), region: try BucketRegion("auto"), isReadOnly: true,
                    isPathStyle: true, isRequesterPaid: true),
            ]
            spec.buckets[1].hasCredentials = true
            return spec
        }
    }

    @Test("an app is made once, found by name and by id, and keeps its tags")
    func apps() async throws {
        let directory = try Directory()
        let apps = try directory.open().apps
        let name = try AppName("an-app")
        await #expect(throws: CordonError.self) { try await apps.app(named: name) }
        let made = try await apps.createApp(named: name)
        #expect(try await apps.createApp(named: name) == made)
        #expect(made.tags == .none)
        let tags = try Tags(["team": "ü"])
        try await apps.setTags(of: made.id, to: tags)
        let reopened = try directory.open().apps
        #expect(try await reopened.app(named: name).tags == tags)
        #expect(try await reopened.app(made.id).name == name)
        #expect(try await reopened.apps(before: nil, limit: 10).map(\.id) == [made.id])
        #expect(try await reopened.apps(before: made.createdAt, limit: 10).isEmpty)
        await #expect(throws: CordonError.self) { try await reopened.setTags(of: .mint(), to: tags) }
        await #expect(throws: CordonError.self) { try await reopened.app(AppID.mint()) }
    }

    @Test("an app that a sandbox was created in is the one that is found by its name")
    func appOfSandboxes() async throws {
        let catalog = try Directory().open()
        let name = try AppName("shared")
        let id = try await catalog.records.app(named: name)
        #expect(try await catalog.apps.app(named: name).id == id)
    }

    @Test("what was written is read back the same, by another opening of the same files")
    func roundTrip() async throws {
        let directory = try Directory()
        let records = try directory.open().records
        var sandbox = try sandbox(try fullSpec)
        let created = SandboxEvent(number: 1, at: sandbox.createdAt, kind: .created)
        #expect(try await records.begin(sandbox, events: [created], secrets: nil, key: nil, by: caller) == .new)
        var spec = ExecSpec(command: try CommandSpec(argv: ["x"]), environment: try Environment(["E": "1"]))
        spec.user = "nobody:nogroup"
        spec.timeout = .seconds(1)
        spec.onFull = .drop
        spec.stderr = .discard
        spec.terminal = .standard
        var exec = ExecSnapshot(
            id: spec.id, sandbox: sandbox.id, spec: spec, status: .starting, createdAt: Timestamp(microseconds: 5))
        #expect(try await records.beginExec(exec, key: nil, by: caller) == .new)
        #expect(try await records.beginExec(exec, key: nil, by: caller) == .existing(exec.id.text))
        let ending = Ending(.signalled, signal: 9, waitStatus: 9, detail: "d", at: Timestamp(microseconds: 9))
        exec.status = .ended(ending)
        exec.startedAt = Timestamp(microseconds: 6)
        let ended = SandboxEvent(number: 2, at: ending.at, kind: .execEnded, exec: exec.id, ending: ending, detail: "e")
        try await records.commit([
            .started(sandbox.id, at: Timestamp(microseconds: 7), deadline: Timestamp(microseconds: 8)),
            .ready(sandbox.id, at: Timestamp(microseconds: 9)), .exec(exec), .event(ended, of: sandbox.id),
            .tags(sandbox.id, try Tags(["t": "1"])),
        ])
        sandbox.status = .running
        sandbox.startedAt = Timestamp(microseconds: 7)
        sandbox.deadline = Timestamp(microseconds: 8)
        sandbox.readyAt = Timestamp(microseconds: 9)
        sandbox.spec.tags = try Tags(["t": "1"])

        let again = try directory.open().records
        let found = try await again.sandboxes()
        #expect(found.sandboxes.map(\.snapshot) == [sandbox])
        #expect(found.sandboxes.map(\.lastEvent) == [2])
        #expect(try await again.execs(of: sandbox.id) == [exec])
        #expect(try await again.exec(exec.id, of: sandbox.id) == exec)
        #expect(try await again.events(of: sandbox.id, after: 0, limit: 10) == [created, ended])
        #expect(try await again.node() == records.node())
        #expect(try await again.app(named: .default) == records.app(named: .default))
    }

    @Test("a key is remembered for a day with its sandbox: same body, other body, other token, expiry, removal")
    func keys() async throws {
        let records = try Directory().open().records
        let day: Int64 = 24 * 3600 * 1_000_000
        let first = try sandbox(at: 10)
        let key = IdempotencyKey(key: "k", route: "r", bodyHash: [1])
        let other = IdempotencyKey(key: "k", route: "r", bodyHash: [2])
        #expect(try await records.begin(first, events: [], secrets: nil, key: key, by: caller) == .new)
        #expect(
            try await records.begin(try sandbox(at: 11), events: [], secrets: nil, key: key, by: caller)
                == .existing(first.id.text))
        #expect(
            try await records.begin(try sandbox(at: 12), events: [], secrets: nil, key: other, by: caller) == .conflict)
        #expect(try await records.sandboxes().sandboxes.count == 1)
        #expect(
            try await records.outcome(of: key, by: caller, in: nil, at: Timestamp(microseconds: day))
                == .existing(first.id.text))
        #expect(try await records.outcome(of: key, by: caller, in: nil, at: Timestamp(microseconds: day + 10)) == .new)
        #expect(
            try await records.outcome(of: key, by: Caller(tokenID: "y"), in: nil, at: .init(microseconds: 11)) == .new)
        #expect(
            try await records.begin(try sandbox(at: day + 10), events: [], secrets: nil, key: other, by: caller) == .new
        )
        let second = try #require(try await records.sandboxes().sandboxes.last?.snapshot.id)
        try await records.remove(second)
        #expect(
            try await records.outcome(of: other, by: caller, in: nil, at: Timestamp(microseconds: day + 11)) == .new)
    }

    @Test("a bad change takes its whole transaction with it")
    func atomicity() async throws {
        let records = try Directory().open().records
        let sandbox = try sandbox()
        _ = try await records.begin(sandbox, events: [], secrets: nil, key: nil, by: caller)
        let event = SandboxEvent(number: 1, at: .now(), kind: .started)
        await #expect(throws: (any Error).self) {
            try await records.commit([.event(event, of: sandbox.id), .ended(.mint(), Ending(.exited, at: .now()))])
        }
        #expect(try await records.events(of: sandbox.id, after: 0, limit: 9).isEmpty)
    }

    @Test("a row that can't be read is reported and left")
    func unreadable() async throws {
        let directory = try Directory()
        let catalog = try directory.open()
        let good = try sandbox(at: 1)
        let bad = try sandbox(at: 2)
        for each in [good, bad] {
            _ = try await catalog.records.begin(each, events: [], secrets: nil, key: nil, by: caller)
        }
        try directory.raw("live.db", "UPDATE sandboxes SET spec = '{\"version\": 99}' WHERE created_at = 2")
        let found = try await catalog.records.sandboxes()
        #expect(found.sandboxes.map(\.snapshot.id) == [good.id])
        #expect(found.unreadable == [bad.id])
        let left = try await DatabaseQueue(path: directory.path + "/live.db").read {
            try Int.fetchOne($0, sql: "SELECT count(*) FROM sandboxes")
        }
        #expect(left == 2)
    }

    @Test("a file that a newer version wrote is refused")
    func newerSchema() throws {
        let directory = try Directory()
        _ = try directory.open()
        try directory.raw("live.db", "INSERT INTO grdb_migrations (identifier) VALUES ('99: from the future')")
        #expect { try directory.open() } throws: { error in
            if case CatalogError.newerSchema(file: "live.db") = error { true } else { false }
        }
    }

    @Test("the files are their owner's alone")
    func modes() async throws {
        let directory = try Directory()
        let catalog = try directory.open()
        _ = try await catalog.records.node()
        for file in try FileManager.default.contentsOfDirectory(atPath: directory.path) {
            let mode = try FileManager.default.attributesOfItem(atPath: directory.path + "/" + file)[.posixPermissions]
            #expect((mode as? Int) == 0o600, "\(file)")
        }
    }

    @Test("tokens are kept by id and hash")
    func tokens() async throws {
        let tokens = try Directory().open().tokens
        try await tokens.add(tokenID: "tk-a", secretHash: [1, 2], at: .now())
        #expect(try await tokens.secretHash(of: "tk-a") == [1, 2])
        #expect(try await tokens.secretHash(of: "tk-b") == nil)
        #expect(try await tokens.tokenIDs() == ["tk-a"])
    }

    @Test("intent and start of a sandbox cost no more when there are many")
    func cost() async throws {
        let records = try Directory().open().records
        let clock = ContinuousClock()
        var pairs: [Duration] = []
        var execs: [Duration] = []
        for number in 1...500 {
            let sandbox = try sandbox(try fullSpec, at: Int64(number))
            let key = IdempotencyKey(key: "k\(number)", route: "r", bodyHash: Array(repeating: 1, count: 32))
            let event = SandboxEvent(number: 1, at: sandbox.createdAt, kind: .created)
            let pair = try await clock.measure {
                _ = try await records.begin(sandbox, events: [event], secrets: nil, key: key, by: caller)
                var started = event
                started.number = 2
                try await records.commit([
                    .started(sandbox.id, at: .now(), deadline: .now()), .event(started, of: sandbox.id),
                ])
            }
            pairs.append(pair)
            let spec = ExecSpec(command: try CommandSpec(argv: ["true"]))
            let exec = ExecSnapshot(
                id: spec.id, sandbox: sandbox.id, spec: spec, status: .starting, createdAt: sandbox.createdAt)
            execs.append(try await clock.measure { _ = try await records.beginExec(exec, key: nil, by: caller) })
        }
        // The best of many are hardly touched by what else the machine does; a lost index makes all of the last ones slow.
        for durations in [pairs, execs] {
            let (first, last) = (durations.prefix(100).min() ?? .zero, durations.suffix(100).min() ?? .zero)
            #expect(last < first * 5, "\(first) with few, \(last) with 500")
        }
    }
}
