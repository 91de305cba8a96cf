import Foundation
import ServiceSupport
import Testing

@Suite("Nothing is left of a sandbox", .serialized)
struct LeakTests {
    private static let pool = 8
    /// How often each way is taken in 500 cycles; the two that strike everybody less often.
    private static func schedule(strikes: Bool, count: Int, seed: UInt64) -> [WayToEnd] {
        var generator = SeededGenerator(seed: seed)
        let gentle = WayToEnd.allCases.filter { !$0.strikesEverybody }
        var ways = (0..<count).map { gentle[$0 % gentle.count] }
        if strikes {
            for index in 0..<(count / 12) { ways[index] = index % 3 == 0 ? .serviceKilled : .launcherKilled }
        }
        return ways.shuffled(using: &generator)
    }

    @Test("500 sandboxes that end in every way leave nothing behind, nor does the service once it is down")
    func cycles() async throws {
        _ = HostCensus.keysBefore
        let service = try await ServiceInstance.start("--pool-size", "\(Self.pool)", "--retention-seconds", "10")
        do {
            try await checkCycles(service)
            try await checkDown(service)
            try await service.down()
        } catch {
            try? await service.down()
            throw error
        }
    }

    private func checkCycles(_ service: ServiceInstance) async throws {
        let handles = NamespaceHandles()
        let cycles = Cycles(service, handles: handles)
        let pristine = try await HostCensus.quiet(service, pool: Self.pool)
        // Once through everything: what is made only once, and kept on purpose, is there then.
        let first = await cycles.run(WayToEnd.allCases + WayToEnd.allCases)
        #expect(first == [])
        try await collect(service)
        let kept = try await HostCensus.settle(service, to: pristine, ignoring: "descriptor of cordond")
        #expect(kept == [])
        let before = try await HostCensus.quiet(service, pool: Self.pool)
        let rootKeys = HostCensus.rootKeys

        // First without strikes at cordond and launcher: their memory is compared.
        let gentle = await cycles.run(Self.schedule(strikes: false, count: 125, seed: 1))
        #expect(gentle == [])
        let early = try memory(service)
        let again = await cycles.run(Self.schedule(strikes: false, count: 125, seed: 2))
        #expect(again == [])
        let late = try memory(service)
        for (role, bytes) in late {
            let growth = bytes - (early[role] ?? 0)
            #expect(growth < (role == "cordond" ? 32_768 : 4096), "\(role) grew by \(growth) KiB in 125 cycles")
        }
        let struck = await cycles.run(Self.schedule(strikes: true, count: 250, seed: 3))
        #expect(struck == [])

        try await collect(service)
        let leaked = try await HostCensus.settle(service, to: before)
        #expect(leaked == [])
        // 500 leaked keyrings would show among those of all other instances on this host.
        #expect(HostCensus.rootKeys - rootKeys < 400)
        #expect(try Instance(service).blocks.count <= 2)
        if let handles {
            #expect(handles.count > 1000)
            let living = try await remaining(handles)
            #expect(living == [])
        }
    }

    /// Has images that have expired removed, with their layers.
    private func collect(_ service: ServiceInstance) async throws {
        let collected = try await LeakClient(service).call("POST", "/v1/images/collect")
        #expect(collected.status == 200, "\(collected.text)")
    }

    private func memory(_ service: ServiceInstance) throws -> [String: Int] {
        let own = OwnProcesses(of: try Instance(service))
        var result: [String: Int] = [:]
        for role in ["cordond", "launcher", "keeper"] { result[role] = own[role].map { ownMemory(of: $0) } }
        return result
    }

    /// Namespaces die a moment after their last process.
    private func remaining(_ handles: NamespaceHandles) async throws -> [String] {
        for _ in 0..<300 where !handles.living.isEmpty { try await Task.sleep(for: .milliseconds(100)) }
        return handles.living
    }

    private func checkDown(_ service: ServiceInstance) async throws {
        let id = try await service.create()
        _ = try await service.call("POST", "/v1/sandboxes/\(id)/execs", json: ["argv": ["sleep", "1000"]])
        let instance = try Instance(service)
        let (status, output) = try await ServiceInstance.program(
            try ServiceInstance.products + "/cordond",
            ["down", "--data-dir", service.dataDirectory, "--run-dir", service.runDirectory])
        #expect(status == 0, "\(output)")
        var left: [String] = []
        // Keys and namespaces die a moment after their last process.
        for _ in 0..<600 where left != ["process cordond"] {
            left = HostCensus.take(of: instance).counts.keys.filter { item in
                ["process", "namespace", "mount", "cgroup", "interface", "key"].contains { item.hasPrefix($0) }
                    || item.hasPrefix("file …/run/slots/") || item.hasPrefix("file …/data/storage/slots/")
            }.sorted()
            try await Task.sleep(for: .milliseconds(100))
        }
        // The service itself is not ended by this: it just has no launcher.
        #expect(left == ["process cordond"])
    }
}
