import Foundation
import ServiceSupport

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// Every way in which a sandbox and its execs can end.
enum WayToEnd: String, CaseIterable, Sendable {
    case mainExits, mainKilled, terminated, lifetimeOver, idle, outOfMemory, processesUsedUp, neverStarted
    case execTimedOut, execKilledWithDaemons, clientVanished, terminalHeld, mainOnTerminal, snapshotted
    case besideSidecar, sidecarOfKilled
    case shimKilled, initKilled, preparedKilled, launcherKilled, serviceKilled

    /// Kills a process that all sandboxes share.
    var strikesEverybody: Bool { self == .launcherKilled || self == .serviceKilled }

    /// The ending's reason; nil where there is no sandbox.
    var reason: String? {
        switch self {
        case .mainExits, .mainOnTerminal: "exited"
        case .mainKilled: "signalled"
        case .lifetimeOver: "timed_out"
        case .idle: "idle_timed_out"
        case .outOfMemory: "out_of_memory"
        case .shimKilled, .initKilled: "supervisor_lost"
        case .neverStarted: nil
        default: "terminated"
        }
    }
}

/// Runs sandboxes to their ends.
struct Cycles: Sendable {
    let service: ServiceInstance
    let client: LeakClient
    let handles: NamespaceHandles?
    let killer: Killer

    /// Kills and restarts the service, one caller at a time.
    actor Killer {
        private let service: ServiceInstance
        private var turn: Task<Void, any Error>?
        init(_ service: ServiceInstance) { self.service = service }

        func killService() async throws {
            let before = turn
            let mine = Task { [service] in
                _ = try? await before?.value
                service.killService()
                try await service.startService()
            }
            turn = mine
            try await mine.value
        }
    }

    init(_ service: ServiceInstance, handles: NamespaceHandles?) {
        self.service = service
        client = LeakClient(service)
        self.handles = handles
        killer = Killer(service)
    }

    /// Runs the ways in order, `width` at a time; what went otherwise than it should.
    func run(_ ways: [WayToEnd], width: Int = 8) async -> [String] {
        await withTaskGroup(of: String?.self) { group in
            var failures: [String] = []
            var rest = ways[...]
            for _ in 0..<width {
                guard let way = rest.popFirst() else { break }
                group.addTask { await one(way) }
            }
            while let outcome = await group.next() {
                if let outcome { failures.append(outcome) }
                if let way = rest.popFirst() { group.addTask { await one(way) } }
            }
            return failures
        }
    }

    private func one(_ way: WayToEnd) async -> String? {
        do {
            let reason = try await end(way)
            return reason == way.reason ? nil : "\(way): ended as \(reason ?? "nothing")"
        } catch { return "\(way): \(error)" }
    }

    private func create(_ spec: [String: Any] = [:]) async throws -> String {
        let id = try await client.create(spec)
        if let handles, let process = service.initProcess(of: id) { handles.remember(process: process) }
        return id
    }

    private func end(_ way: WayToEnd) async throws -> String? {
        switch way {
        case .mainExits:
            return try await client.ending(of: create(["argv": ["sh", "-c", "echo out; echo err >&2; exit 3"]]))
        case .mainOnTerminal:
            return try await client.ending(
                of: create(["argv": ["sh", "-c", "stty raw; echo x; exit 3"], "pty": [String: Any]()]))
        case .mainKilled: return try await client.ending(of: create(["argv": ["sh", "-c", "kill -9 $$"]]))
        case .lifetimeOver:
            return try await client.ending(of: create(["argv": ["sleep", "1000"], "timeout_seconds": 0.5]))
        case .outOfMemory:
            return try await client.ending(
                of: create(["argv": ["tail", "/dev/zero"], "memory_mib": ["limit": 24]]))
        case .neverStarted: return try await neverStarted()
        case .preparedKilled:
            if let idle = service.slots().first(where: \.sandbox.isEmpty) { kill(idle.shim, SIGKILL) }
            return try await client.terminate(create())
        default: return try await endOther(way)
        }
    }

    /// Refused; where the launcher is killed in between, the answer is a sandbox that ends as such.
    private func neverStarted() async throws -> String? {
        let reply = try await client.call(
            "POST", "/v1/sandboxes", ["argv": ["/no/such/program"]], key: UUID().uuidString)
        guard reply.status == 201, let id = reply.json["id"] as? String else {
            return (400..<600).contains(reply.status) ? nil : reply.text
        }
        let reason = try await client.ending(of: id)
        return reason == "failed_to_start" ? nil : reason
    }

    private func endOther(_ way: WayToEnd) async throws -> String? {
        let id = try await create(
            way == .processesUsedUp ? ["pids_limit": 16] : way == .idle ? ["idle_timeout_seconds": 0.3] : [:])
        switch way {
        case .idle:
            try await client.exec(["true"], in: id)
            return try await client.ending(of: id)
        case .processesUsedUp: try await client.exec(["sh", "-c", "while :; do sleep 1000 & done"], in: id)
        case .execTimedOut: try await client.exec(["sleep", "1000"], in: id, wait: true, timeout: 0.3)
        case .execKilledWithDaemons: try await killWithDaemons(id)
        case .clientVanished: try await vanish(id)
        // Its image expires at once, and is collected before anything is counted.
        case .snapshotted: _ = try await client.call("POST", "/v1/sandboxes/\(id)/snapshots", ["ttl_seconds": 0.01])
        case .terminalHeld: try await holdTerminals(id)
        case .besideSidecar: _ = try await sidecar(of: id)
        case .sidecarOfKilled:
            let sidecar = try await sidecar(of: id)
            guard let victim = service.initProcess(of: id) else {
                throw LeakClient.GaveUp(description: "\(id) has no init")
            }
            kill(victim, SIGKILL)
            return try await client.ending(of: sidecar)
        case .shimKilled, .initKilled:
            try await client.exec(["sleep", "1000"], in: id)
            let victim = way == .shimKilled ? service.shim(of: id) : service.initProcess(of: id)
            guard let victim else { throw LeakClient.GaveUp(description: "\(id) has no shim or init") }
            kill(victim, SIGKILL)
            return try await client.ending(of: id)
        case .launcherKilled:
            try await client.exec(["sleep", "1000"], in: id)
            if let launcher = service.launcherPID { kill(launcher, SIGKILL) }
        case .serviceKilled:
            try await client.exec(["sh", "-c", "echo before; sleep 1000"], in: id)
            try await killer.killService()
        default: try await client.exec(["sleep", "1000"], in: id)
        }
        return try await client.terminate(id)
    }

    private func sidecar(of id: String) async throws -> String {
        let sidecar = try await client.create(["name": "side", "argv": ["sleep", "1000"]], besides: id)
        if let handles, let process = service.initProcess(of: sidecar) { handles.remember(process: process) }
        return sidecar
    }

    /// Children that have left the session, and whose parents are gone, die with their exec.
    private func killWithDaemons(_ id: String) async throws {
        let script = "for i in 1 2 3; do setsid sh -c 'sleep 1000 & sleep 1000 &' & done; sleep 1000"
        try await client.exec(["sh", "-c", script], in: id, id: "daemons")
        _ = try await client.call("POST", "/v1/sandboxes/\(id)/execs/daemons/signal", ["signal": "KILL"])
        _ = try await client.call("GET", "/v1/sandboxes/\(id)/execs/daemons/wait?timeout_seconds=30")
    }

    /// One whose leader has left it to a child, one whose leader was killed, one in use.
    private func holdTerminals(_ id: String) async throws {
        let terminal: [String: Any] = [:]
        try await client.exec(["sh", "-c", "trap '' HUP; sleep 1000 & echo x"], in: id, wait: true, pty: terminal)
        try await client.exec(["bash", "-i"], in: id, id: "killed", pty: terminal)
        _ = try await client.call("POST", "/v1/sandboxes/\(id)/execs/killed/signal", ["signal": "KILL"])
        try await client.exec(["bash", "-i"], in: id, pty: terminal)
    }

    /// One client goes away while it reads without end, another while it writes.
    private func vanish(_ id: String) async throws {
        try await client.exec(["yes"], in: id, id: "yes")
        try await client.exec(["sleep", "1000"], in: id, id: "deaf")
        let base = "\(client.url)/v1/sandboxes/\(id)/execs"
        let header = ["-sS", "-m", "0.3", "-o", "/dev/null", "-H", "Authorization: Bearer \(client.token)"]
        async let reading = ServiceInstance.program("/usr/bin/curl", header + ["\(base)/yes/stdout?follow=true"])
        async let writing = ServiceInstance.program(
            "/usr/bin/curl",
            header + [
                "-X", "POST", "-T", "/dev/zero", "-H", "Content-Type: application/octet-stream",
                "\(base)/deaf/stdin?offset=0",
            ])
        _ = try await (reading, writing)
    }
}
