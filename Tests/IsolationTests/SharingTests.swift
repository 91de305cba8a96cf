import Foundation
import ServiceSupport
import Testing

/// Isolation notes 2 and 3, and checklist 49 and 51: what one sandbox does, another doesn't feel.
@Suite("Sandboxes beside each other", .serialized)
struct SharingTests {
    private static let takeInotify = """
        taken = []
        try:
            while len(taken) < 100000: taken.append(call("inotify_init1", 0))
        except OSError: pass
        print(len(taken), flush=True)
        """

    /// As the launcher would without the step: two namespaces made by the same user of the host.
    private static let sharedOwner = """
        import os
        def taker(ready, go):
            os.setgid(64999); os.setuid(64999)
            call("unshare", 0x10000000)
            count = 0
            try:
                while True:
                    call("inotify_init1", 0)
                    count += 1
            except OSError: pass
            os.write(ready, b"%d\\n" % count)
            os.read(go, 1)
            os._exit(0)
        ready, go = os.pipe(), os.pipe()
        counts = []
        for _ in range(2):
            if os.fork() == 0: taker(ready[1], go[0])
            counts.append(int(os.read(ready[0], 20)))
        os.write(go[1], b"xx")
        print(json.dumps(counts))
        """

    @Test("a sandbox that takes every inotify instance takes none from another")
    func counts() async throws {
        try await withService { service in
            let greedy = try await service.create()
            let other = try await service.create()
            // Held while the other is asked.
            let started = try await service.call(
                "POST", "/v1/sandboxes/\(greedy)/execs",
                json: [
                    "argv": ["/usr/bin/python3", "-c", pythonPrelude + Self.takeInotify + "\ntime.sleep(60)"],
                    "exec_id": "greedy",
                ])
            #expect(started.status == 201 || started.status == 202 || started.status == 200, "\(started.text)")
            var taken = ""
            for _ in 0..<100 where taken.isEmpty {
                taken = try await service.call("GET", "/v1/sandboxes/\(greedy)/execs/greedy/stdout").text
                try await Task.sleep(for: .milliseconds(50))
            }
            let first = try #require(Int(taken.trimmingCharacters(in: .whitespacesAndNewlines)))
            let second = try #require(
                Int(try await service.probe(Self.takeInotify, at: .sandbox(other, user: "0")).trimmingCharacters(in: .newlines)))
            #expect(first > 0 && first < 100_000, "control: there is a limit, \(first)")
            #expect(second == first)

            let shared = try await service.probe(Self.sharedOwner, at: .host)
            let counts = try #require(try JSONSerialization.jsonObject(with: Data(shared.utf8)) as? [Int])
            #expect(counts[0] > 0 && counts[1] == 0, "control: namespaces of one owner share its count: \(counts)")
        }
    }

    private static func namespaces(of pid: pid_t) throws -> [String: String] {
        var found: [String: String] = [:]
        for kind in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
            found[kind] = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/ns/\(kind)")
        }
        return found
    }

    @Test("no namespace, id range or slot is shared, and none is used again")
    func slots() async throws {
        try await withService("--pool-size", "2") { service in
            var ids: [String] = []
            for _ in 0..<4 { ids.append(try await service.create()) }
            let host = try Self.namespaces(of: getpid())
            #expect(host["net"] == (try Self.namespaces(of: service.servicePID))["net"], "control: sharing would be seen")
            for kind in host.keys {
                let all = try ids.map { try Self.namespaces(of: try #require(service.initProcess(of: $0)))[kind] } + [host[kind]]
                #expect(Set(all).count == all.count, "\(kind): \(all)")
            }
            let bases = try ids.map { try service.idBase(of: $0) }
            for (first, second) in zip(bases.sorted(), bases.sorted().dropFirst()) {
                #expect(second - first >= 65_536, "\(first) and \(second) overlap")
            }
            #expect(bases.allSatisfy { $0 >= 0x7000_0000 && $0 % 65_536 == 0 })

            var names = Set(service.slots().map(\.name))
            for _ in 0..<8 {
                let before = names
                let new = try await service.create()
                let slot = try #require(service.slots().first { $0.sandbox == new }).name
                // Either prepared ahead and never anybody's, or new.
                let wasPrepared = before.contains(slot)
                names.formUnion(service.slots().map(\.name))
                _ = try await service.call("DELETE", "/v1/sandboxes/\(new)")
                #expect(!service.slots().contains { $0.name == slot }, "\(slot) is gone with its sandbox (prepared: \(wasPrepared))")
                let again = try await service.create()
                #expect(service.slots().first { $0.sandbox == again }?.name != slot)
                _ = try await service.call("DELETE", "/v1/sandboxes/\(again)")
            }
        }
    }

    private static let offer = """
        import threading
        abstract = socket.socket(socket.AF_UNIX); abstract.bind("\\0cordon-test"); abstract.listen()
        tcp = socket.socket(); tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); tcp.bind(("0.0.0.0", 7999)); tcp.listen()
        named = socket.socket(socket.AF_UNIX)
        if os.path.exists("/tmp/named"): os.unlink("/tmp/named")
        named.bind("/tmp/named"); named.listen(); os.chmod("/tmp/named", 0o777)
        shared = call("shmget", 0x5eed, 4096, 0o1666)
        call("semget", 0x5eed, 1, 0o1666); call("msgget", 0x5eed, 0o1666)
        name = ctypes.create_string_buffer(b"cordon-test")
        call("mq_open", name, os.O_CREAT | os.O_RDWR, 0o666, 0)
        open("/dev/shm/cordon-test", "w").write("mine")
        """
    private static let search: [Attempt] = [
        Attempt("abstract socket", #"socket.socket(socket.AF_UNIX).connect("\0cordon-test")"#, inside: "ECONNREFUSED"),
        Attempt("TCP on loopback", #"socket.create_connection(("127.0.0.1", 7999), 3)"#, inside: "ECONNREFUSED"),
        Attempt("socket by name", #"socket.socket(socket.AF_UNIX).connect("/tmp/named")"#, inside: "ENOENT"),
        Attempt("shared memory", #"call("shmget", 0x5eed, 4096, 0)"#, inside: "ENOENT"),
        Attempt("semaphore", #"call("semget", 0x5eed, 1, 0)"#, inside: "ENOENT"),
        Attempt("message queue", #"call("msgget", 0x5eed, 0)"#, inside: "ENOENT"),
        Attempt("POSIX queue", #"call("mq_open", ctypes.create_string_buffer(b"cordon-test"), os.O_RDONLY, 0, 0)"#, inside: "ENOENT"),
        Attempt("/dev/shm", #"read("/dev/shm/cordon-test")"#, inside: "ENOENT"),
        Attempt(
            "a process seen", #"return sum(b"marker-of-a" in text(f"/proc/{p}/cmdline").encode() for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid() and int(p) != os.getppid())"#,
            inside: "0"),
    ]

    @Test("sockets, shared memory, queues and processes of one sandbox don't exist in another")
    func reach() async throws {
        try await withService { service in
            let offering = try await service.create()
            let searching = try await service.create()
            let program = pythonPrelude + Self.offer + "\nprint('ready', flush=True); time.sleep(60)"
            _ = try await service.call(
                "POST", "/v1/sandboxes/\(offering)/execs",
                json: ["argv": ["/usr/bin/python3", "-c", program, "marker-of-a"], "exec_id": "offer"])
            var ready = false
            for _ in 0..<100 where !ready {
                ready = try await service.call("GET", "/v1/sandboxes/\(offering)/execs/offer/stdout").text.contains("ready")
                try await Task.sleep(for: .milliseconds(50))
            }
            try #require(ready)
            for user in ["0", "1000"] {
                let found = try await service.outcomes(of: Self.search, at: .sandbox(searching, user: user))
                for attempt in Self.search {
                    #expect(attempt.inside.contains(found[attempt.name] ?? ""), "\(attempt.name): \(found[attempt.name] ?? "")")
                }
                // The control: in the sandbox that offers them, all are found.
                let own = try await service.outcomes(of: Self.search, at: .sandbox(offering, user: user))
                for attempt in Self.search {
                    #expect(["ok", "1"].contains(own[attempt.name] ?? ""), "control: \(attempt.name): \(own[attempt.name] ?? "")")
                }
            }
        }
    }
}
