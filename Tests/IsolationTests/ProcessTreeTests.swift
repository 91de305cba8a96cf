import Foundation
import ServiceSupport
import Testing

/// Isolation note 10: killing an exec takes everything it started.
@Suite("An exec's processes", .serialized)
struct ProcessTreeTests {
    /// Leaves a daemon: forked twice, in a session of its own, deaf to everything but SIGKILL.
    private static let daemon = """
        for number in set(range(1, 32)) - {signal.SIGCHLD}:
            try: signal.signal(number, signal.SIG_IGN)
            except OSError: pass
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.setsid()
                os.closerange(0, 3)
                while True: time.sleep(0.05)
            os._exit(0)
        os.wait()
        print("left", flush=True)
        time.sleep(END)
        """
    private static let list =
        "import os\nprint(sorted(int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid())))"

    private static func others(_ service: ServiceInstance, _ id: String) async throws -> String {
        try await service.run(["/usr/bin/python3", "-c", list], in: id).stdout
    }

    @Test("a timeout takes daemons that forked twice and ignore every signal")
    func timeout() async throws {
        try await withService { service in
            let id = try await service.create()
            let program = pythonPrelude + "END = 60\n" + Self.daemon
            let outcome = try await service.run(["/usr/bin/python3", "-c", program], in: id, timeout: 1)
            #expect(outcome.reason == "timed_out" && outcome.stdout == "left\n", "\(outcome)")
            #expect(try await Self.others(service, id) == "[]\n")
            // The control: ended as a shell would, by pid or by group, the daemon stays.
            let kill = try await service.run(
                ["timeout", "-s", "KILL", "1", "/usr/bin/python3", "-c", program], in: id)
            #expect(kill.stdout == "left\n")
            #expect(try await Self.others(service, id) != "[]\n", "control: a daemon is seen, and survives its parent")
        }
    }

    @Test("terminating takes every process, and killing one exec takes none of another's")
    func separate() async throws {
        try await withService { service in
            let id = try await service.create()
            for name in ["one", "two"] {
                _ = try await service.call(
                    "POST", "/v1/sandboxes/\(id)/execs",
                    json: [
                        "argv": ["/usr/bin/python3", "-c", pythonPrelude + "END = 60\n" + Self.daemon, name],
                        "exec_id": name,
                    ])
                for _ in 0..<100 {
                    if try await service.call("GET", "/v1/sandboxes/\(id)/execs/\(name)/stdout").text == "left\n" {
                        break
                    }
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            let base = try service.idBase(of: id)
            func onHost() -> Int {
                ServiceInstance.processes().filter { process in
                    var status = stat()
                    return lstat("/proc/\(process.pid)", &status) == 0 && status.st_uid == base
                }.count
            }
            #expect(onHost() == 4, "control: two mains and two daemons are seen from the host")
            _ = try await service.call("POST", "/v1/sandboxes/\(id)/execs/one/signal", json: ["signal": "KILL"])
            for _ in 0..<600 where onHost() != 2 { try await Task.sleep(for: .milliseconds(50)) }
            #expect(onHost() == 2)
            let command = try await service.run(
                ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '^two$'"], in: id)
            #expect(command.stdout == "2\n")
            // What an exec leaves behind lives on after it, and goes with the sandbox.
            let ended = try await service.run(
                ["/usr/bin/python3", "-c", pythonPrelude + "END = 0\n" + Self.daemon], in: id)
            #expect(ended.exitCode == 0 && onHost() == 3, "control: it left a daemon")
            _ = try await service.call("DELETE", "/v1/sandboxes/\(id)")
            #expect(onHost() == 0)
        }
    }
}
