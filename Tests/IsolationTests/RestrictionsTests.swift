import Foundation
import ServiceSupport
import Testing

/// Isolation notes 5 and 6: every restriction is read back, and PID 1 can't be robbed.
@Suite("Restrictions", .serialized)
struct RestrictionsTests {
    /// CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT AUDIT_WRITE SETFCAP
    private static let kept = "00000000a00405fb"
    private static let none = "0000000000000000"

    private static let report = """
        fields = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Groups"]
        found = {field: status(field) for field in fields}
        found["securebits"] = call("prctl", 27, 0, 0, 0, 0)
        found["keepcaps"] = call("prctl", 7, 0, 0, 0, 0)
        found["core"] = resource.getrlimit(resource.RLIMIT_CORE)[1]
        found["fds"] = [n for n in range(3, 1024) if os.path.exists(f"/proc/self/fd/{n}")]
        found["oom"] = text("/proc/self/oom_score_adj").strip()
        found["dumpable"] = call("prctl", 3, 0, 0, 0, 0)
        found["sid"] = os.getsid(0) == os.getpid()
        found["umask"] = os.umask(0o22)
        found["blocked"] = status("SigBlk")
        print(json.dumps(found, sort_keys=True))
        """

    private static func report(_ service: ServiceInstance, _ place: Place) async throws -> [String: String] {
        let text = try await service.probe(report, at: place)
        let found = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
        return found.mapValues { "\($0)" }
    }

    @Test("capabilities, securebits, no_new_privs and the filter are as promised", arguments: ["0", "1000"])
    func readBack(user: String) async throws {
        try await withService { service in
            let found = try await Self.report(service, .sandbox(try await service.create(), user: user))
            let own = user == "0" ? Self.kept : Self.none
            #expect(found["CapPrm"] == own)
            #expect(found["CapEff"] == own)
            #expect(found["CapBnd"] == Self.kept)
            #expect(found["CapInh"] == Self.none)
            #expect(found["CapAmb"] == Self.none)
            #expect(found["NoNewPrivs"] == "1")
            #expect(found["Seccomp"] == "2")
            #expect(found["Seccomp_filters"] == "1")
            #expect(found["Groups"] == "")
            #expect(found["securebits"] == "0")
            #expect(found["keepcaps"] == "0")
            #expect(found["core"] == "0")
            #expect(found["oom"] == "300", "the kernel ends this before PID 1")
            #expect(found["dumpable"] == "1", "exec(2) made it so again: it is an ordinary program")
            #expect(found["sid"] == "1")
            #expect(found["umask"] == "18")
            #expect(found["blocked"] == Self.none)
            let outside = try await Self.report(service, .host)
            #expect(outside["CapBnd"] != Self.kept && outside["NoNewPrivs"] == "0" && outside["Seccomp"] == "0", "control")
        }
    }

    @Test("a process starts with exactly 0, 1 and 2")
    func descriptors() async throws {
        try await withService { service in
            let id = try await service.create()
            let list = "python3 -c 'import os; print([n for n in range(1024) if os.path.exists(f\"/proc/self/fd/{n}\")])'"
            #expect(try await service.run(["sh", "-c", list], in: id).stdout == "[0, 1, 2]\n")
            #expect(try await service.run(["sh", "-c", list], in: id, user: "1000").stdout == "[0, 1, 2]\n")
            #expect(
                try await service.run(["bash", "-c", "exec 7</dev/null; \(list)"], in: id).stdout == "[0, 1, 2, 7]\n",
                "control: one more would be seen")
        }
    }

    /// `TARGET` is the process that is attacked.
    private static let attacks: [(String, String)] = [
        ("ptrace attach", #"call("ptrace", 16, TARGET, 0, 0)"#), ("ptrace seize", #"call("ptrace", 0x4206, TARGET, 0, 0)"#),
        ("environ", #"read(f"/proc/{TARGET}/environ")"#), ("mem", #"os.open(f"/proc/{TARGET}/mem", os.O_RDWR)"#),
        ("maps", #"read(f"/proc/{TARGET}/maps")"#), ("fd", #"os.listdir(f"/proc/{TARGET}/fd")"#),
        ("root", #"os.listdir(f"/proc/{TARGET}/root/")"#), ("cwd", #"os.readlink(f"/proc/{TARGET}/cwd")"#),
        ("exe", #"os.open(f"/proc/{TARGET}/exe", os.O_RDONLY)"#), ("auxv", #"read(f"/proc/{TARGET}/auxv")"#),
        ("namespaces", #"os.open(f"/proc/{TARGET}/ns/mnt", os.O_RDONLY)"#), ("syscall", #"read(f"/proc/{TARGET}/syscall")"#),
        ("oom score", #"os.write(os.open(f"/proc/{TARGET}/oom_score_adj", os.O_WRONLY), b"900")"#),
        ("coredump filter", #"writable(f"/proc/{TARGET}/coredump_filter")"#),
        (
            "process_vm_readv",
            """
            buffer = ctypes.create_string_buffer(8)
            local = struct.pack("QQ", ctypes.addressof(buffer), 8)
            address = int(text("/proc/self/maps").split("-")[0], 16)
            remote = struct.pack("QQ", address, 8)
            call("process_vm_readv", TARGET, ctypes.create_string_buffer(local), 1, ctypes.create_string_buffer(remote), 1, 0)
            """
        ),
        ("lower its limits", "resource.prlimit(TARGET, resource.RLIMIT_NOFILE, (5, 5))"),
        ("read its limits", "resource.prlimit(TARGET, resource.RLIMIT_NOFILE)"),
        ("priority", "os.setpriority(os.PRIO_PROCESS, TARGET, 19)"),
        ("idle scheduling", "os.sched_setscheduler(TARGET, os.SCHED_IDLE, os.sched_param(0))"),
        ("affinity", "os.sched_setaffinity(TARGET, {0})"), ("I/O priority", #"call("ioprio_set", 1, TARGET, 3 << 13)"#),
    ]

    @Test("root and users inside can't read, trace or change PID 1")
    func pidOne() async throws {
        try await withService { service in
            let id = try await service.create()
            let attempts = Self.attacks.map { Attempt($0.0, "TARGET = 1\n" + $0.1, inside: "EPERM", "EACCES") }
            // The same against a process of one's own, a fork of this one.
            let own = """
                TARGET = os.fork()
                if TARGET == 0: time.sleep(5); os._exit(0)
                try:

                """
            let controls = Self.attacks.map { name, code in
                Attempt(
                    name,
                    own + code.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
                        + "\nfinally: os.kill(TARGET, 9)", inside: "ok")
            }
            for user in ["0", "1000"] {
                let found = try await service.outcomes(of: attempts, at: .sandbox(id, user: user))
                let control = try await service.outcomes(of: controls, at: .sandbox(id, user: user))
                for attempt in attempts {
                    let outcome = found[attempt.name] ?? ""
                    #expect(attempt.inside.contains(outcome), "\(attempt.name) as \(user): \(outcome)")
                    #expect(control[attempt.name] == "ok", "control: \(attempt.name): \(control[attempt.name] ?? "")")
                }
            }
        }
    }

    @Test("without the filter, no descriptor can be taken from PID 1")
    func descriptorTheft() async throws {
        try await withUnfilteredPolicy { service in
            let id = try await service.create(["policy": "strict"])
            let steal = #"return call("pidfd_getfd", call("pidfd_open", TARGET, 0), 0, 0) > 2 and "ok""#
            let attempts = [
                Attempt("from PID 1", "TARGET = 1\n" + steal, inside: "EPERM"),
                Attempt("kcmp with PID 1", #"return call("kcmp", os.getpid(), 1, 0, 0, 0)"#, inside: "EPERM"),
                Attempt("from a child, the control", "TARGET = os.fork()\nif TARGET == 0: time.sleep(0.5); os._exit(0)\n" + steal, inside: "ok"),
            ]
            for user in ["0", "1000"] {
                let found = try await service.outcomes(of: attempts, at: .sandbox(id, user: user))
                for attempt in attempts {
                    #expect(attempt.inside.contains(found[attempt.name] ?? ""), "\(attempt.name): \(found[attempt.name] ?? "")")
                }
            }
        }
    }

    @Test("no signal ends or stops PID 1, and its command line tells nothing")
    func signals() async throws {
        try await withService { service in
            let id = try await service.create()
            let pid = try #require(service.initProcess(of: id))
            let program = """
                import os, signal
                victim = os.fork()
                if victim == 0: time.sleep(30)
                for number in list(range(1, 32)) + [34, 64]:
                    try: os.kill(1, number)
                    except PermissionError: pass
                call("pidfd_send_signal", call("pidfd_open", 1, 0), 9, 0, 0)
                os.kill(victim, 9)
                print(os.WTERMSIG(os.waitpid(victim, 0)[1]), repr(read("/proc/1/cmdline").strip(b"\\0")), text("/proc/1/comm").strip())
                """
            #expect(try await service.probe(program, at: .sandbox(id, user: "0")) == "9 b'' cordon-shim\n", "control: a child dies")
            #expect(service.initProcess(of: id) == pid)
            let state = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            #expect(!state.contains(") T "), "it isn't stopped")
            #expect(try await service.run(["echo", "alive"], in: id).stdout == "alive\n")
            // Every process but PID 1 and the sender.
            let everything = try await service.run(
                ["python3", "-c", "import os\nif os.fork() == 0:\n    import time; time.sleep(30)\nos.kill(-1, 9); print('sent')"],
                in: id)
            #expect(everything.stdout == "sent\n", "\(everything)")
            #expect(try await service.run(["echo", "alive"], in: id).stdout == "alive\n")
        }
    }

    @Test("init holds nothing of the host's, and dies with its shim even when both it and the launcher are stopped")
    func initFromOutside() async throws {
        try await withService { service in
            let id = try await service.create()
            let shim = try #require(service.shim(of: id))
            let pid = try #require(service.initProcess(of: id))
            let links = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").sorted().map {
                try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\($0)").prefix { $0 != ":" && $0 != "[" }
            }
            #expect(links == ["/dev/null", "/dev/null", "/dev/null", "socket", "anon_inode"])
            let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            #expect(status.contains("CapBnd:\t\(Self.kept)") && status.contains("CapPrm:\t\(Self.kept)"))
            #expect(status.contains("NoNewPrivs:\t1") && status.contains("\nGroups:\t \n"))
            let ids = Array(repeating: "\(0x7000_0001)", count: 4).joined(separator: "\t")
            #expect(status.contains("Uid:\t\(ids)\n") && status.contains("Gid:\t\(ids)\n"), "ids that no sandbox maps")
            let environment = try await host("tr '\\0' '\\n' </proc/\(pid)/environ")
            #expect(environment.output == "SWIFT_ROOT=/\n")
            var owner = stat()
            #expect(lstat("/proc/\(pid)/environ", &owner) == 0)
            #expect(owner.st_uid == 0, "not dumpable: its files in /proc are host root's")

            // Neither the closed socket nor the launcher can end it now: only its parent's death can.
            let launcher = try #require(service.launcherPID)
            kill(launcher, SIGSTOP)
            defer { kill(launcher, SIGCONT) }
            kill(pid, SIGSTOP)
            kill(shim, SIGKILL)
            var isGone = false
            for _ in 0..<100 where !isGone {
                try await Task.sleep(for: .milliseconds(20))
                isGone = kill(pid, 0) != 0 || (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8))?.contains(") Z ") != false
            }
            #expect(isGone)
            let control = try await service.probe(
                """
                reader, writer = os.pipe()
                if os.fork() == 0:
                    if os.fork() == 0: time.sleep(0.3); os.write(writer, b"alive"); os._exit(0)
                    os._exit(0)
                os.close(writer); print(os.read(reader, 9).decode())
                """, at: .host)
            #expect(control == "alive\n", "control: a child without the signal outlives its parent")
        }
    }
}
