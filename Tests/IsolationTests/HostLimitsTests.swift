import Foundation
import ServiceSupport
import Testing

/// Isolation note 12: limits of the whole host that the kernel charges to nobody.
@Suite("The host's limits", .serialized)
struct HostLimitsTests {
    @Test("a sandbox can't take what the host has one pool of")
    func pools() async throws {
        try await withService { service in
            let attempts = [
                Attempt("kernel AIO", #"call("io_setup", 64, ctypes.byref(ctypes.c_ulong(0)))"#, inside: "ENOSYS"),
                Attempt(
                    "pressure triggers", #"return os.listdir("/proc/pressure") != []"#, inside: "False",
                    outside: ["True"]),
                Attempt(
                    "a trigger", #"os.write(os.open("/proc/pressure/memory", os.O_RDWR), b"some 500000 2000000\0")"#,
                    inside: "ENOENT"),
                Attempt(
                    "real-time scheduling", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))",
                    inside: "EPERM"),
                Attempt("a higher priority", "os.setpriority(os.PRIO_PROCESS, 0, -5)", inside: "EACCES", "EPERM"),
                Attempt("real-time I/O", #"call("ioprio_set", 1, 0, 1 << 13)"#, inside: "EPERM"),
                Attempt(
                    "a core dump", "resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096))",
                    inside: "ValueError: not allowed to raise maximum limit", "EPERM", outside: nil),
                Attempt(
                    "locked memory", "return resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] <= 8 << 20", inside: "True",
                    outside: nil),
                Attempt(
                    "a file of the kernel's log", #"call("syslog", 3, ctypes.create_string_buffer(16), 16)"#,
                    inside: "EPERM"),
            ]
            try await service.hold(
                attempts.filter { $0.name != "a core dump" && $0.name != "locked memory" },
                in: try await service.create())
            // The host that these tests run on may itself be limited: no control but the value.
            for attempt in attempts where attempt.name == "a core dump" || attempt.name == "locked memory" {
                let id = try await service.create()
                for user in ["0", "1000"] {
                    let found =
                        try await service.outcomes(of: [attempt], at: .sandbox(id, user: user))[attempt.name] ?? ""
                    #expect(attempt.inside.contains(found), "\(attempt.name): \(found)")
                }
            }
        }
    }

    @Test("what shims do for sandboxes is weighed as one group, in which no sandbox is")
    func supervisors() async throws {
        try await withService { service in
            let id = try await service.create()
            func group(of pid: pid_t?) throws -> String {
                let text = try String(contentsOfFile: "/proc/\(try #require(pid))/cgroup", encoding: .utf8)
                let lines = text.split(separator: "\n").map { $0.split(separator: ":", maxSplits: 2).map(String.init) }
                let line = lines.first { $0[1].split(separator: ",").contains("cpu") } ?? lines.first { $0[0] == "0" }
                return try #require(line?.last)
            }
            let shims = try group(of: service.shim(of: id))
            #expect(shims.hasSuffix("-shims"))
            #expect(try !group(of: service.initProcess(of: id)).contains("-shims"))
            let mounts = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup"]
            let weights = mounts.flatMap { ["\($0)\(shims)/cpu.shares", "\($0)\(shims)/cpu.weight"] }
                .compactMap { try? String(contentsOfFile: $0, encoding: .utf8) }
            #expect(weights == ["2048\n"] || weights == ["200\n"])
        }
    }

    private static let terminals = """
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        taken = []
        try:
            while len(taken) < 400: taken.append(os.open(PTMX, os.O_RDWR | os.O_NOCTTY))
            print(len(taken), "more")
        except OSError as error: print(len(taken), errno.errorcode[error.errno])
        """

    @Test("a sandbox gets a part of the host's terminals")
    func terminals() async throws {
        try await withService { service in
            let id = try await service.create()
            for user in ["0", "1000"] {
                let found = try await service.probe(
                    "PTMX = '/dev/ptmx'\n" + Self.terminals, at: .sandbox(id, user: user))
                #expect(found == "64 ENOSPC\n")
            }
            let mount = """
                libc.mount(b"devpts", b"/mnt", b"devpts", 0, b"newinstance,ptmxmode=0666")
                PTMX = "/mnt/ptmx"

                """
            let outside = try await service.probe(mount + Self.terminals, at: .host)
            #expect(outside == "400 more\n", "control: without the limit it would get them")
        }
    }

    private static let bomb = """
        def fork():
            try: return os.fork()
            except OSError as error:
                print(len(children), errno.errorcode[error.errno], flush=True)
                time.sleep(30)
                os._exit(0)
        children = []
        while len(children) < 3000:
            child = fork()
            if child == 0:
                time.sleep(30); os._exit(0)
            children.append(child)
        print(len(children), "more", flush=True)
        """

    @Test("processes are limited, one more command still starts, and then the answer says why not")
    func processes() async throws {
        try await withService { service in
            let id = try await service.create(["pids_limit": 64])
            _ = try await service.call(
                "POST", "/v1/sandboxes/\(id)/execs",
                json: ["argv": ["/usr/bin/python3", "-c", pythonPrelude + Self.bomb], "exec_id": "bomb"])
            var said = ""
            for _ in 0..<100 where said.isEmpty {
                said = try await service.call("GET", "/v1/sandboxes/\(id)/execs/bomb/stdout").text
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(said.hasSuffix("EAGAIN\n"), "\(said)")
            #expect(try #require(Int(said.split(separator: " ")[0])) < 64)
            let other = try await service.create()
            #expect(
                try await service.run(["echo", "free"], in: other).stdout == "free\n", "another sandbox feels nothing")

            #expect(try await service.run(["/bin/true"], in: id).exitCode == 0, "there is room for one more")
            // It holds the place, as many as ask for it.
            var refused: ServiceInstance.Answer?
            for _ in 0..<6 where refused == nil {
                let answer = try await service.call(
                    "POST", "/v1/sandboxes/\(id)/execs", json: ["argv": ["sleep", "20"]])
                if answer.status >= 300 { refused = answer }
            }
            #expect(refused?["code"] == "resource_exhausted", "\(refused?.text ?? "nothing was refused")")
            #expect(refused?["detail"].contains("64 processes") == true)
            // The bomb goes whole, and the sandbox is as before.
            _ = try await service.call("POST", "/v1/sandboxes/\(id)/execs/bomb/signal", json: ["signal": "KILL"])
            for _ in 0..<250 {
                // Until the dead are reaped there may be no room to look.
                let left = try? await service.run(["sh", "-c", "ls -d /proc/[0-9]* | wc -l"], in: id).stdout
                if let left, let count = Int(left.trimmingCharacters(in: .whitespacesAndNewlines)), count < 32 { break }
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(
                try await service.run(["sh", "-c", "sleep 0 & sleep 0 & wait; echo fine"], in: id).stdout == "fine\n")
        }
    }
}
