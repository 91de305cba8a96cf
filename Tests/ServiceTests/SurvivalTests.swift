import Foundation
import ServiceSupport
import Testing

/// Kills parts of a service at random moments while `Programs/survival.py` works with it.
@Suite("Survival", .serialized, .timeLimit(.minutes(10)))
struct SurvivalTests {
    /// What is killed, and how often.
    private enum Victim: CaseIterable {
        case service, startingService, both, launcher, shim, initProcess

        var times: Int {
            switch self {
            case .service: 70
            case .startingService, .both: 20
            case .launcher: 60
            case .shim, .initProcess: 20
            }
        }
    }

    @Test("200 kills of the service, the launcher, shims and inits lose no byte and no ending")
    func kills() async throws {
        let seed =
            ProcessInfo.processInfo.environment["SURVIVAL_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 1...999_999)
        print("survival: seed \(seed) (SURVIVAL_SEED repeats it)")
        var chance = SeededGenerator(state: seed)
        try await withService(options: ["--pool-size", "4", "--exec-spool-mib", "32"]) { service in
            let control = service.directory + "/control"
            try FileManager.default.createDirectory(atPath: control, withIntermediateDirectories: true)
            let workload = Task { try await service.check("survival", "workload", [control, "\(seed)"]) }
            let address = service.url
            var kills = 0
            for victim in Victim.allCases.flatMap({ Array(repeating: $0, count: $0.times) }).shuffled(using: &chance) {
                guard !FileManager.default.fileExists(atPath: control + "/failed") else { break }
                if try await kill(victim, of: service, control, &chance) { kills += 1 }
                #expect(service.url == address)
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...400, using: &chance)))
            }
            makeEmptyFile(at: control + "/stop")
            print("survival: \(kills) kills;", try await workload.value.prefix(1000))
            #expect(kills >= 200)
            if FileManager.default.fileExists(atPath: control + "/failed") {
                print(service.log.split(separator: "\n").suffix(200).joined(separator: "\n"))
            }
            try await nothingIsLeft(of: service)
        }
    }

    /// Returns whether there was something to kill.
    private func kill(
        _ victim: Victim, of service: ServiceInstance, _ control: String, _ chance: inout SeededGenerator
    ) async throws -> Bool {
        switch victim {
        case .service:
            service.killService()
            try await service.startService()
            return true
        case .startingService:
            // Once more while it starts or recovers.
            service.killService()
            try service.launchService()
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...250, using: &chance)))
            service.killService()
            try await service.startService()
            return true
        case .both:
            let launcher = try await whenThere { service.launcherPID }
            service.killService()
            launcher.map { _ = Glibc.kill($0, SIGKILL) }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...100, using: &chance)))
            try await service.startService()
            return true
        case .launcher:
            return try await whenThere { service.launcherPID }.map { Glibc.kill($0, SIGKILL) == 0 } ?? false
        case .shim:
            let sandbox = try await offered("shim", control, &chance)
            return sandbox.flatMap(service.shim).map { Glibc.kill($0, SIGKILL) == 0 } ?? false
        case .initProcess:
            let sandbox = try await offered("init", control, &chance)
            return sandbox.flatMap(service.initProcess).map { Glibc.kill($0, SIGKILL) == 0 } ?? false
        }
    }

    /// A sandbox that the workload gives up.
    private func offered(_ part: String, _ control: String, _ chance: inout SeededGenerator) async throws -> String? {
        let found = try await whenThere {
            (try? FileManager.default.contentsOfDirectory(atPath: "\(control)/\(part)"))?.sorted().first
        }
        guard let found else { return nil }
        try FileManager.default.moveItem(atPath: "\(control)/\(part)/\(found)", toPath: "\(control)/killed/\(found)")
        return found
    }

    private func whenThere<Thing>(_ look: () -> Thing?) async throws -> Thing? {
        for _ in 0..<1500 {
            if let thing = look() { return thing }
            try await Task.sleep(for: .milliseconds(20))
        }
        return nil
    }

    /// All that may still be there is the pool.
    private func nothingIsLeft(of service: ServiceInstance) async throws {
        let clean = try await whenThere { service.slots().allSatisfy(\.sandbox.isEmpty) ? true : nil }
        #expect(clean == true, "slots: \(service.slots())")
        let slots = Set(service.slots().map(\.name))
        let stored = try FileManager.default.contentsOfDirectory(atPath: service.dataDirectory + "/storage/slots")
        #expect(Set(stored).subtracting(slots).isEmpty, "storage of no slot")
        // One that has just been told to go, or that removes what a sandbox wrote, may take a moment.
        let reaped = try await whenThere { () -> Bool? in
            let children = ServiceInstance.processes().filter { $0.parent == service.launcherPID }.count
            // One of them is the process that shims are forks of.
            return children <= service.slots().count + 1 ? true : nil
        }
        #expect(reaped == true, "the launcher has more children than its zygote and slots")
        for group in Self.groups(of: service) {
            let below = try FileManager.default.contentsOfDirectory(atPath: group).filter {
                $0.hasPrefix("m") && $0.count == 13
            }
            #expect(Set(below).subtracting(slots).isEmpty, "groups of no slot in \(group)")
        }
    }

    /// The control groups in which this instance's sandboxes live, one in each hierarchy.
    private static func groups(of service: ServiceInstance) -> [String] {
        let instance = (try? String(contentsOfFile: service.runDirectory + "/instance", encoding: .utf8)) ?? ""
        let name = "cordon-" + instance.trimmingCharacters(in: .whitespacesAndNewlines)
        let root = "/sys/fs/cgroup"
        return (["."] + ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [])).map {
            "\(root)/\($0)/\(name)"
        }
        .filter { FileManager.default.fileExists(atPath: $0) }
    }

    @Test("deadlines that pass while the service is dead fire all the same, and are typed")
    func deadlines() async throws {
        try await withService { service in
            let lived = try await service.create(["timeout_seconds": 1])
            let idled = try await service.create(["idle_timeout_seconds": 1])
            let other = try await service.create()
            let exec: [String: Any] = ["argv": ["sleep", "1000"], "exec_id": "late", "timeout_seconds": 1]
            let started = try await service.call("POST", "/v1/sandboxes/\(other)/execs", json: exec)
            #expect(started.status == 201)
            service.killService()
            // Nobody is there to catch up.
            func isOver() -> Bool { service.slots().allSatisfy { $0.sandbox != lived && $0.sandbox != idled } }
            for _ in 0..<600 where !isOver() { try await Task.sleep(for: .milliseconds(100)) }
            #expect(isOver())
            try await service.startService()
            for (path, reason) in [
                (lived, "timed_out"), (idled, "idle_timed_out"), ("\(other)/execs/late", "timed_out"),
            ] {
                let answer = try await service.call("GET", "/v1/sandboxes/\(path)/wait?timeout_seconds=0")
                #expect((answer.json["result"] as? [String: Any])?["reason"] as? String == reason, "\(answer.text)")
            }
            #expect(try await service.run(["echo", "alive"], in: other).stdout == "alive\n")
        }
    }

    @Test("nothing of an instance is left once it was taken down")
    func down() async throws {
        let service = try await ServiceInstance.start()
        for _ in 0..<3 { _ = try await service.create(["argv": ["sh", "-c", "setsid sleep 1000 & sleep 1000"]]) }
        let groups = Self.groups(of: service)
        #expect(!groups.isEmpty)
        let shims = service.slots().map(\.shim)
        try await service.down()
        #expect(shims.allSatisfy { Glibc.kill($0, 0) < 0 })
        #expect(groups.allSatisfy { !FileManager.default.fileExists(atPath: $0) }, "\(groups)")
        let directory = service.directory
        #expect(!ServiceInstance.processes().contains { $0.commandLine.contains { $0.hasPrefix(directory) } })
    }
}
