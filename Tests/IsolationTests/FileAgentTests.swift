import Foundation
import ServiceSupport
import Testing

/// The file agent is an ordinary process inside, and yet a way to the service: what it has, and what others
/// inside can do to it.
@Suite("The file agent inside", .serialized)
struct FileAgentTests {
    /// A client of the shim's socket that holds an agent open and runs `body` with it: `ask(type, fields)`
    /// sends a request, `hear()` returns the type and the fields of the next answer.
    private static func holding(_ body: String) -> String {
        """
        import os, socket, struct, sys, time
        slot, sandbox = sys.argv[1:3]
        os.chdir(slot)
        agent = socket.socket(socket.AF_UNIX)
        agent.settimeout(60)
        agent.connect("shim.sock")
        def ask(kind, fields=b"", request=1): agent.sendall(struct.pack("<IHQ", 10 + len(fields), kind, request) + fields)
        def text(value): return struct.pack("<I", len(value)) + value
        def hear():
            def take(count):
                got = b""
                while len(got) < count:
                    piece = agent.recv(count - len(got))
                    if not piece: return None
                    got += piece
                return got
            head = take(14)
            if head is None: return None, b""
            length, kind, _ = struct.unpack("<IHQ", head)
            return kind, take(length - 10)
        ask(36, text(b""))
        kind, fields = hear()
        assert kind == 60, (kind, fields)
        \(body)
        """
    }

    private func hold(
        _ body: String, _ service: ServiceInstance, _ id: String, beside: (pid_t) async throws -> Void
    ) async throws {
        let slot = try #require(service.slots().first { $0.sandbox == id })
        async let client = service.python(
            Self.holding(body), arguments: ["\(service.runDirectory)/slots/\(slot.name)", id])
        let initProcess = try #require(service.initProcess(of: id))
        var agent: pid_t?
        for _ in 0..<500 where agent == nil {
            agent =
                ServiceInstance.processes().first { $0.parent == initProcess && $0.commandLine == ["cordon-files"] }?
                .pid
            try await Task.sleep(for: .milliseconds(20))
        }
        if let agent { try await beside(agent) } else { Issue.record("there is no agent") }
        let (status, output) = try await client
        #expect(status == 0, "\(output)")
    }

    @Test("it has a connection, /dev/null, and every restriction of an exec")
    func possessions() async throws {
        try await withService { service in
            let id = try await service.create()
            try await hold("while not os.path.exists('../../../go'): time.sleep(0.02)", service, id) { agent in
                defer { makeEmptyFile(at: service.directory + "/go") }
                var open: [String: String] = [:]
                for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(agent)/fd") {
                    open[name] = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(agent)/fd/\(name)")
                }
                #expect(Set(open.keys) == ["0", "1", "2"])
                #expect(open["0"]?.hasPrefix("socket:") == true && open["0"] == open["1"])
                #expect(open["2"] == "/dev/null")
                let status = try String(contentsOfFile: "/proc/\(agent)/status", encoding: .utf8)
                func value(_ field: String) -> String? {
                    status.split(separator: "\n").first { $0.hasPrefix(field + ":") }?
                        .split(separator: "\t").last.map(String.init)
                }
                #expect(value("NoNewPrivs") == "1" && value("Seccomp") == "2")
                let own = try await service.run(["grep", "-E", "CapEff|CapBnd", "/proc/self/status"], in: id).stdout
                #expect(own == "CapEff:\t\(value("CapEff") ?? "")\nCapBnd:\t\(value("CapBnd") ?? "")\n")
                let environment = try Data(contentsOf: URL(fileURLWithPath: "/proc/\(agent)/environ"))
                #expect(String(decoding: environment, as: UTF8.self) == "SWIFT_ROOT=/\0HOME=/root\0")
            }
        }
    }

    /// `TARGET` is the process that is attacked.
    private static let attacks: [(String, String)] = [
        ("write its program", #"os.open(f"/proc/{TARGET}/exe", os.O_WRONLY)"#),
        ("read its program", #"os.close(os.open(f"/proc/{TARGET}/exe", os.O_RDONLY))"#),
        ("attach", #"call("ptrace", 16, TARGET, 0, 0)"#), ("seize", #"call("ptrace", 0x4206, TARGET, 0, 0)"#),
        ("memory", #"os.close(os.open(f"/proc/{TARGET}/mem", os.O_RDWR))"#),
        ("descriptors", #"os.listdir(f"/proc/{TARGET}/fd")"#), ("environment", #"read(f"/proc/{TARGET}/environ")"#),
    ]

    @Test("its program can't be written or read inside, and nobody there can trace it or take what it has")
    func untouchable() async throws {
        try await withService { service in
            let id = try await service.create()
            try await hold("while not os.path.exists('../../../go'): time.sleep(0.02)", service, id) { agent in
                defer { makeEmptyFile(at: service.directory + "/go") }
                let target = """
                    TARGET = next(int(n) for n in os.listdir("/proc") if n.isdigit() and text(f"/proc/{n}/cmdline") == "cordon-files\\0")

                    """
                let attempts = Self.attacks.map { Attempt($0.0, target + $0.1, inside: "EPERM", "EACCES") }
                for user in ["0", "1000"] {
                    let found = try await service.outcomes(of: attempts, at: .sandbox(id, user: user))
                    for attempt in attempts {
                        let outcome = found[attempt.name] ?? ""
                        #expect(attempt.inside.contains(outcome), "\(attempt.name) as user \(user): \(outcome)")
                    }
                }
            }
            // The control: the same against a process of one's own.
            let own = """
                TARGET = os.fork()
                if TARGET == 0: time.sleep(5); os._exit(0)
                try:

                """
            let controls = Self.attacks.map { name, code in
                Attempt(name, own + "    " + code + "\nfinally: os.kill(TARGET, 9)", inside: "ok")
            }
            let found = try await service.outcomes(of: controls, at: .sandbox(id, user: "0"))
            for control in controls {
                // What runs can't be written, whoever asks: there it is enough that it can be named.
                let wanted = control.name == "write its program" ? "ETXTBSY" : "ok"
                #expect(found[control.name] == wanted, "control: \(control.name): \(found[control.name] ?? "")")
            }
        }
    }

    @Test("it ends with its sandbox, and with the one who asked for it")
    func ends() async throws {
        try await withService { service in
            let id = try await service.create()
            try await hold("time.sleep(1); agent.close()", service, id) { agent in
                for _ in 0..<150 where kill(agent, 0) == 0 { try await Task.sleep(for: .milliseconds(20)) }
                #expect(kill(agent, 0) != 0, "it went on")
            }
            try await hold("assert hear() == (None, b'')", service, id) { agent in
                _ = try await service.call("DELETE", "/v1/sandboxes/\(id)")
                #expect(kill(agent, 0) != 0)
            }
        }
    }

    @Test("what is inside makes an agent neither wait nor grow: hostile trees are answered, or refused")
    func hostileTrees() async throws {
        try await withService { service in
            let id = try await service.create()
            let made = try await service.run(
                [
                    "python3", "-c",
                    """
                    import os
                    os.makedirs('/tmp/many'); os.chdir('/tmp/many')
                    for n in range(100_000): os.mknod(f'{n:06}')
                    os.mkfifo('/tmp/fifo'); os.symlink('loop', '/tmp/loop')
                    """,
                ], in: id)
            #expect(made.exitCode == 0, "\(made.stderr)")
            try await hold(
                """
                def fault(kind, fields):
                    ask(kind, fields)
                    kind, fields = hear()
                    assert kind == 73, kind
                    return fields[0]
                def reading(path): return text(path) + struct.pack("<QQ", 0, 1 << 40)
                for path, wanted in [(b"/tmp/fifo", 4), (b"/tmp/loop", 12), (b"/proc/self/fd/0", 12), (b"/dev/zero", 4),
                                     (b"/proc/1/root/etc/passwd", 7), (b"/tmp/many", 3), (b"/dev/ptmx", 4)]:
                    got = fault(62, reading(path))
                    assert got == wanted, (path, got)
                # Its own memory isn't a file of the sandbox's.
                assert fault(62, reading(b"/proc/self/mem")) in (7, 0)
                # A hundred thousand entries, in pages.
                count, after = 0, b""
                while True:
                    ask(66, text(b"/tmp/many") + text(after) + struct.pack("<I", 10_000))
                    more = last = False
                    while not last:
                        kind, fields = hear()
                        if kind == 74: continue
                        assert kind == 72, kind
                        n, at = struct.unpack_from("<I", fields)[0], 4
                        for _ in range(n):
                            length = struct.unpack_from("<I", fields, at)[0]
                            after = fields[at + 4:at + 4 + length]
                            at += 4 + length + 1 + 8 + 4 + 4 + 4 + 8
                        last, more = fields[at], fields[at + 1]
                        count += n
                    if not more: break
                assert count == 100_000, count
                ask(68, text(b"/tmp/many") + bytes([1]))
                kind = 74
                while kind == 74: kind, fields = hear()
                assert kind == 3, (kind, fields)
                # What isn't understood ends it.
                agent.sendall(b"\\xff" * 64)
                assert hear() == (None, b"")
                """, service, id
            ) { agent in
                var peak = 0
                while kill(agent, 0) == 0 {
                    let status = (try? String(contentsOfFile: "/proc/\(agent)/status", encoding: .utf8)) ?? ""
                    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM") } ?? ""
                    peak = max(peak, Int(line.filter(\.isNumber)) ?? 0)
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect((1..<64 * 1024).contains(peak), "\(peak) KiB")
            }
            #expect(try await service.run(["ls", "/tmp"], in: id).stdout == "fifo\nloop\n")
        }
    }
}
