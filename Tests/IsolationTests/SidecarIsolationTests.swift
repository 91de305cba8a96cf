import Foundation
import ServiceSupport
import Testing

/// What a sidecar shares with its sandbox, and that it is the network alone.
@Suite("Sandboxes and their sidecars", .serialized)
struct SidecarIsolationTests {
    private static let shared = "net"

    @Test("a sidecar has every namespace but the network's to itself, and ids and limits of its own")
    func namespaces() async throws {
        try await withService("--pool-size", "1") { service in
            let (main, side) = try await Self.pair(in: service)
            let processes = [
                try #require(service.initProcess(of: main)), try #require(service.initProcess(of: side)), getpid(),
            ]
            for kind in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
                let all = try processes.map {
                    try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/ns/\(kind)")
                }
                #expect((all[0] == all[1]) == (kind == Self.shared), "\(kind): \(all)")
                #expect(!all[..<2].contains(all[2]), "\(kind) is the host's: \(all)")
            }
            #expect(abs(Int(try service.idBase(of: main)) - Int(try service.idBase(of: side))) >= 65_536)
            let groups = try processes[..<2].map { try String(contentsOfFile: "/proc/\($0)/cgroup", encoding: .utf8) }
            #expect(groups[0] != groups[1])
        }
    }

    private static func offer(_ key: Int) -> String {
        """
        named = socket.socket(socket.AF_UNIX); named.bind("/tmp/named"); named.listen(); os.chmod("/tmp/named", 0o777)
        abstract = socket.socket(socket.AF_UNIX); abstract.bind("\\0cordon-test"); abstract.listen()
        call("shmget", \(key), 4096, 0o1666)
        open("/dev/shm/cordon-test", "w").write("mine"); open("/srv/mine", "w").write("mine")
        """
    }
    /// Where System V's shared memory stays, each way has a key of its own.
    private static func search(_ key: Int) -> [Attempt] {
        [
            Attempt("socket by name", #"socket.socket(socket.AF_UNIX).connect("/tmp/named")"#, inside: "ENOENT"),
            Attempt("shared memory", "call(\"shmget\", \(key), 4096, 0)", inside: "ENOENT"),
            Attempt("/dev/shm", #"read("/dev/shm/cordon-test")"#, inside: "ENOENT"),
            Attempt("a file", #"read("/srv/mine")"#, inside: "ENOENT"),
            Attempt(
                "a process seen",
                #"return sum(b"marker-of-a" in text(f"/proc/{p}/cmdline").encode() for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid() and int(p) != os.getppid())"#,
                inside: "0"),
        ]
    }
    /// Sockets of the abstract namespace are of the network's: this is shared, as it is between containers of a pod.
    private static let reached = Attempt(
        "abstract socket", #"socket.socket(socket.AF_UNIX).connect("\0cordon-test")"#, inside: "ok")

    @Test("neither files nor processes nor queues of one are the other's, and neither changes the network")
    func reach() async throws {
        try await withService("--pool-size", "1") { service in
            let (main, side) = try await Self.pair(in: service)
            for (key, offering, searching) in [(0x5eed, main, side), (0x5eee, side, main)] {
                let search = Self.search(key)
                let program = pythonPrelude + Self.offer(key) + "\nprint('ready', flush=True); time.sleep(300)"
                _ = try await service.call(
                    "POST", "/v1/sandboxes/\(offering)/execs",
                    json: ["argv": ["/usr/bin/python3", "-c", program, "marker-of-a"], "exec_id": "offer"])
                var ready = false
                for _ in 0..<600 where !ready {
                    ready = try await service.call("GET", "/v1/sandboxes/\(offering)/execs/offer/stdout").text
                        .contains("ready")
                    try await Task.sleep(for: .milliseconds(100))
                }
                try #require(ready)
                let found = try await service.outcomes(
                    of: search + [Self.reached], at: .sandbox(searching, user: "0"))
                for attempt in search + [Self.reached] {
                    #expect(
                        attempt.inside.contains(found[attempt.name] ?? ""),
                        "\(attempt.name): \(found[attempt.name] ?? "")")
                }
                let own = try await service.outcomes(of: search, at: .sandbox(offering, user: "0"))
                for attempt in search {
                    #expect(
                        ["ok", "1"].contains(own[attempt.name] ?? ""),
                        "control: \(attempt.name): \(own[attempt.name] ?? "")")
                }
                _ = try await service.call(
                    "POST", "/v1/sandboxes/\(offering)/execs/offer/signal", json: ["signal": "KILL"])
                _ = try await service.call("GET", "/v1/sandboxes/\(offering)/execs/offer/wait?timeout_seconds=60")
                _ = try await service.run(
                    ["rm", "-f", "/tmp/named", "/srv/mine", "/dev/shm/cordon-test"], in: offering)
            }
            let change = Attempt(
                "a change of the network",
                #"fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 0))"#, inside: "EPERM")
            try await service.hold([change], in: side)
        }
    }

    private static func pair(in service: ServiceInstance) async throws -> (main: String, side: String) {
        let main = try await service.create()
        let made = try await service.call("POST", "/v1/sandboxes/\(main)/sidecars", json: ["name": "side"])
        try #require(made.status == 201, "\(made.text)")
        let body = try JSONSerialization.jsonObject(with: Data(made.text.utf8)) as? [String: Any]
        return (main, try #require(body?["id"] as? String))
    }
}
