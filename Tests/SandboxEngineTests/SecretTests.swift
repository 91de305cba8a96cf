import Foundation
import SandboxEngine
import SandboxModel
import Testing

@Suite struct SecretTests {
    private func make(
        _ name: String, _ variables: [String: String], ifExists: ExistingSecretPolicy = .fail, key: String? = nil,
        body: UInt8 = 1, _ fixture: Fixture
    ) async throws -> SecretSnapshot {
        try await fixture.engine.createSecret(
            try SecretName(name), try Environment(variables), ifExists: ifExists, by: Fixture.caller,
            key: key.map { IdempotencyKey(key: $0, route: "POST /v1/secrets", bodyHash: [body]) })
    }

    private func named(_ name: String, _ required: [String] = []) throws -> SecretSource {
        .stored(.name(try SecretName(name)), requiredKeys: required)
    }

    private func inline(_ variables: [String: String]) throws -> SecretSource { .inline(try Environment(variables)) }

    /// The variables that the latest exec was started with.
    private func latest(_ fixture: Fixture) -> [String: String] {
        fixture.host.with { $0.execOrders.last?.environment.variables ?? [:] }
    }

    @Test("later secrets hold over earlier ones, variables over secrets, and an exec's own over its sandbox's")
    func precedence() async throws {
        let fixture = try await Fixture()
        _ = try await make("one", ["A": "one", "B": "one", "C": "one", "D": "one", "E": "one"], fixture)
        let two = try await make("two", ["B": "two", "C": "two", "D": "two", "E": "two"], fixture)
        var spec = SandboxSpec(
            command: try CommandSpec(argv: ["sh"]), environment: try Environment(["D": "env", "E": "env"]))
        spec.secrets = [
            try named("one"), .stored(.id(two.id), requiredKeys: ["B"]), try inline(["C": "inline", "D": "inline"]),
        ]
        let sandbox = try await fixture.create(spec)
        let expected = ["A": "one", "B": "two", "C": "inline", "D": "env", "E": "env"]
        #expect(fixture.host.with { $0.launchEnvironments.last?.variables } == expected)
        _ = try await fixture.start(try sh(), in: sandbox.id)
        #expect(latest(fixture) == expected)
        var exec = try sh()
        exec.secrets = [try inline(["A": "exec", "D": "exec", "E": "exec"])]
        exec.environment = try Environment(["E": "exec env"])
        _ = try await fixture.start(exec, in: sandbox.id)
        #expect(latest(fixture) == ["A": "exec", "B": "two", "C": "inline", "D": "exec", "E": "exec env"])
        #expect(try await fixture.engine.sandbox(sandbox.id).spec.secrets.isEmpty)
    }

    @Test("a sandbox keeps what its secrets were when it was created, through changes, deletion and a restart")
    func resolvedAtCreation() async throws {
        let fixture = try await Fixture()
        _ = try await make("s", ["A": "old"], fixture)
        var spec = SandboxSpec()
        spec.secrets = [try named("s"), try inline(["B": "inline"])]
        let sandbox = try await fixture.create(spec)
        let reference = SecretReference.name(try SecretName("s"))
        _ = try await fixture.engine.replaceSecret(reference, with: try Environment(["A": "new"]))
        _ = try await fixture.start(try sh(), in: sandbox.id)
        #expect(latest(fixture) == ["A": "old", "B": "inline"])
        try await fixture.engine.deleteSecret(reference)
        let after = try await fixture.restarted()
        _ = try await after.start(try sh(), in: sandbox.id)
        #expect(latest(after) == ["A": "old", "B": "inline"])
        #expect(await code { _ = try await after.create(spec) } == .notFound)
    }

    @Test("a missing secret or key is told by its name, and nothing is created or started")
    func missing() async throws {
        let fixture = try await Fixture()
        _ = try await make("s", ["A": "hunter2"], fixture)
        for (source, expected, field) in [
            (try named("none"), ErrorCode.notFound, "secrets[1]"),
            (.stored(.id(.mint()), requiredKeys: []), .notFound, "secrets[1]"),
            (try named("s", ["A", "B"]), .failedPrecondition, "secrets[1].required_keys[1]"),
        ] {
            var spec = SandboxSpec(name: try SandboxName("taken"))
            spec.secrets = [try inline(["X": "hunter2"]), source]
            let error = await #expect(throws: CordonError.self) { _ = try await fixture.create(spec) }
            #expect(error?.code == expected && error?.field == field)
            #expect(error.map { !"\($0) \($0.value ?? "") \($0.detail)".contains("hunter2") } ?? false)
        }
        #expect(fixture.host.with { $0.launched.isEmpty })
        let sandbox = try await fixture.create(SandboxSpec(name: try SandboxName("taken")))
        var exec = try sh("e")
        exec.secrets = [try named("none")]
        #expect(await code { _ = try await fixture.start(exec, in: sandbox.id) } == .notFound)
        exec.secrets = []
        #expect(try await fixture.start(exec, in: sandbox.id).status == .running)
    }

    @Test("secrets that come to too much together are refused")
    func tooLarge() async throws {
        let fixture = try await Fixture()
        var spec = SandboxSpec()
        spec.secrets = try ["A", "B"].map { try inline([$0: String(repeating: "x", count: 100_000)]) }
        let error = await #expect(throws: CordonError.self) { _ = try await fixture.create(spec) }
        #expect(error?.code == .invalidArgument && error?.field == "secrets")
        let many = Dictionary(uniqueKeysWithValues: (0...SecretSnapshot.maximumKeys).map { ("K\($0)", "") })
        #expect(await code { _ = try await make("many", many, fixture) } == .invalidArgument)
    }

    @Test("an exec_id that comes again with other secrets is refused, also after a restart and with the secret gone")
    func repeatedExec() async throws {
        let fixture = try await Fixture()
        _ = try await make("s", ["A": "1"], fixture)
        let sandbox = try await fixture.create()
        var spec = try sh("e")
        spec.secrets = [try named("s"), try inline(["B": "2"])]
        let first = try await fixture.start(spec, in: sandbox.id)
        try await fixture.engine.deleteSecret(.name(try SecretName("s")))
        let after = try await fixture.restarted()
        for engine in [fixture, after] {
            #expect(try await engine.start(spec, in: sandbox.id).createdAt == first.createdAt)
            for other in [[], [try named("s")], [try named("s"), try inline(["B": "3"])]] {
                var changed = spec
                changed.secrets = other
                #expect(await code { _ = try await engine.start(changed, in: sandbox.id) } == .alreadyExists)
            }
        }
    }

    @Test("many starts with one exec_id and secrets start one exec")
    func concurrentStarts() async throws {
        let fixture = try await Fixture()
        _ = try await make("s", ["A": "1"], fixture)
        var made = SandboxSpec()
        made.secrets = [try named("s")]
        let sandbox = try await fixture.create(made)
        var exec = try sh("e")
        exec.secrets = [try named("s")]
        let spec = exec
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await fixture.start(spec, in: sandbox.id) } }
            try await group.waitForAll()
        }
        #expect(fixture.host.with { $0.execOrders.count } == 1)
    }

    @Test("a repeat under the same key answers with the first's secret; another body is refused")
    func idempotent() async throws {
        let fixture = try await Fixture()
        let first = try await make("s", ["A": "1"], key: "k", fixture)
        let after = try await fixture.restarted()
        #expect(try await make("s", ["A": "1"], key: "k", after).id == first.id)
        #expect(await code { _ = try await make("s", ["A": "2"], key: "k", body: 2, after) } == .failedPrecondition)
        #expect(await code { _ = try await make("s", ["A": "1"], key: "other", after) } == .alreadyExists)
        #expect(try await make("s", ["B": "2"], ifExists: .keep, after).keys == ["A"])
        let replaced = try await make("s", ["B": "2"], ifExists: .replace, key: "r", after)
        #expect(replaced.id == first.id && replaced.keys == ["B"] && replaced.version == 2)
        #expect(try await make("s", ["B": "2"], ifExists: .replace, key: "r", after).version == 2)
    }

    @Test("changes are merged, whoever changes at the same time, and each is a version")
    func merging() async throws {
        let fixture = try await Fixture()
        let secret = try await make("s", ["GONE": "1", "KEPT": "1"], fixture)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    _ = try await fixture.engine.changeSecret(
                        .id(secret.id), SecretChanges(set: try Environment(["K\(number)": "v"]), removed: ["GONE"]))
                }
            }
            try await group.waitForAll()
        }
        let now = try await fixture.engine.secret(.id(secret.id))
        #expect(now.version == 9 && now.keys == (0..<8).map { "K\($0)" } + ["KEPT"])
        #expect(await code { _ = try await fixture.engine.secret(.name(try SecretName("none"))) } == .notFound)
        #expect(await code { try await fixture.engine.deleteSecret(.id(.mint())) } == .notFound)
    }

    @Test("pages list every secret once, newest first")
    func pages() async throws {
        let fixture = try await Fixture()
        for number in 0..<5 { _ = try await make("s\(number)", [:], fixture) }
        var names: [String] = []
        var before: Timestamp?
        repeat {
            let page = try await fixture.engine.secrets(before: before, limit: 2)
            names += page.secrets.map(\.name.text)
            before = page.next
        } while before != nil
        #expect(names == ["s4", "s3", "s2", "s1", "s0"])
        // A page holds no more than names of keys that take a few hundred KiB.
        let wide = Dictionary(
            uniqueKeysWithValues: (0..<400).map { (String(repeating: "K", count: 250) + "\($0)", "") })
        for number in 0..<6 { _ = try await make("wide\(number)", wide, fixture) }
        var counts: [Int] = []
        before = nil
        repeat {
            let page = try await fixture.engine.secrets(before: before, limit: 1000)
            counts.append(page.secrets.count)
            before = page.next
        } while before != nil
        #expect(counts == [3, 3, 5])
    }

    @Test("with a new key in front, the next start seals everything anew, and the old one is needed no more")
    func rotation() async throws {
        let fixture = try await Fixture()
        for number in 0..<250 { _ = try await make("s\(number)", ["A": "\(number)"], fixture) }
        var spec = SandboxSpec()
        spec.secrets = [try named("s7")]
        let sandbox = try await fixture.create(spec)
        let both = try await fixture.restarted(keys: Fixture.keyLine(2) + "\n" + Fixture.keyLine(1))
        let after = try await both.restarted(keys: Fixture.keyLine(2))
        _ = try await after.start(try sh(), in: sandbox.id)
        #expect(latest(after) == ["A": "7"])
        spec.secrets = [try named("s249")]
        let other = try await after.create(spec)
        _ = try await after.start(try sh(), in: other.id)
        #expect(latest(after) == ["A": "249"])
    }

    @Test("without its key a secret can't be used, which says so, but can be replaced; other sandboxes go on")
    func lostKey() async throws {
        let fixture = try await Fixture()
        _ = try await make("s", ["A": "hunter2"], fixture)
        let after = try await fixture.restarted(keys: Fixture.keyLine(3))
        var spec = SandboxSpec()
        spec.secrets = [try named("s")]
        #expect(await code { _ = try await after.create(spec) } == .dataLoss)
        #expect(try await after.create().status == .running)
        let reference = SecretReference.name(try SecretName("s"))
        _ = try await after.engine.replaceSecret(reference, with: try Environment(["A": "again"]))
        let sandbox = try await after.create(spec)
        _ = try await after.start(try sh(), in: sandbox.id)
        #expect(latest(after) == ["A": "again"])
    }

    @Test("the files hold no value, and what a sandbox had is gone from them with its end")
    func onDisk() async throws {
        let fixture = try await Fixture()
        let planted = "planted-" + UUID().uuidString
        _ = try await make("s", ["A": planted], fixture)
        var spec = SandboxSpec()
        spec.secrets = [try named("s"), try inline(["B": planted])]
        let sandbox = try await fixture.create(spec)
        var exec = try sh()
        exec.secrets = [try inline(["C": planted])]
        _ = try await fixture.start(exec, in: sandbox.id)
        #expect(latest(fixture) == ["A": planted, "B": planted, "C": planted])
        #expect(try await fixture.catalog.records.secrets(of: sandbox.id) != nil)
        _ = try await fixture.engine.terminate(sandbox.id)
        #expect(try await fixture.catalog.records.secrets(of: sandbox.id) == nil)
        for name in try FileManager.default.contentsOfDirectory(atPath: fixture.directory) {
            let content = try Data(contentsOf: URL(filePath: fixture.directory + "/" + name))
            #expect(content.range(of: Data(planted.utf8)) == nil, "\(name)")
        }
    }
}
