import Foundation
import ServiceSupport
import Testing

/// Isolation note 14: nothing that the guest does makes init wait.
@Suite("Stalling", .serialized)
struct StallTests {
    /// How a start was answered, and after how many seconds.
    private static func start(
        _ service: ServiceInstance, _ id: String, _ exec: [String: Any]
    ) async throws -> (answer: ServiceInstance.Answer, seconds: Double) {
        let clock = ContinuousClock()
        let before = clock.now
        let answer = try await service.call("POST", "/v1/sandboxes/\(id)/execs", json: exec, timeout: 60)
        let seconds = Double((clock.now - before).components.seconds)
        return (answer, seconds)
    }

    @Test("FIFOs and endless files where init's children look are a clear refusal, and other commands go on")
    func fifos() async throws {
        try await withService { service in
            let id = try await service.create()
            let made = try await service.run(
                [
                    "sh", "-c",
                    """
                    mkfifo -m 777 /tmp/fifo; printf '#!/tmp/fifo\\n' >/tmp/script; chmod 755 /tmp/script; ln -s loop /tmp/loop
                    printf '#!/tmp/self\\n' >/tmp/self; chmod 755 /tmp/self; ln -s /dev/zero /tmp/zero
                    """,
                ], in: id)
            #expect(made.exitCode == 0, "\(made.stderr)")
            let starts: [(String, [String: Any])] = [
                ("program", ["argv": ["/tmp/fifo"]]), ("interpreter", ["argv": ["/tmp/script"]]),
                ("its own interpreter", ["argv": ["/tmp/self"]]), ("a loop", ["argv": ["/tmp/loop"]]),
                ("a device", ["argv": ["/tmp/zero"]]), ("workdir", ["argv": ["/bin/true"], "workdir": "/tmp/fifo"]),
                ("PATH", ["argv": ["fifo"], "env": ["PATH": "/tmp"]]),
            ]
            for (name, exec) in starts {
                let (answer, seconds) = try await Self.start(service, id, exec)
                #expect((400..<500).contains(answer.status), "\(name): \(answer.status) \(answer.text)")
                #expect(["failed_precondition", "not_found", "invalid_argument", "permission_denied"].contains(answer["code"]), "\(name): \(answer.text)")
                #expect(seconds < 5, "\(name) took \(seconds) s")
            }
            #expect(try await service.run(["/bin/true"], in: id, user: "nobody").exitCode == 0, "control: the name is known")
            for passwd in ["/tmp/fifo", "/dev/zero", "/proc/kmsg", "/dev/tty", "/proc/self/mem"] {
                _ = try await service.run(["ln", "-sf", passwd, "/etc/passwd"], in: id)
                let (answer, seconds) = try await Self.start(service, id, ["argv": ["/bin/true"], "user": "nobody"])
                #expect((400..<500).contains(answer.status), "\(passwd): \(answer.status) \(answer.text)")
                #expect(seconds < 5, "\(passwd) took \(seconds) s")
                #expect(try await service.run(["echo", "on"], in: id).stdout == "on\n")
            }
        }
    }

    /// Stops every process in the sandbox as soon as its number appears, but for this one and PID 1.
    private static let stopper = """
        print("stopping", flush=True)
        end = time.time() + 25
        number = os.getpid() + 1
        while time.time() < end:
            for pid in range(number, number + 8):
                try: os.kill(pid, 19)
                except ProcessLookupError: pass
        """

    @Test("a guest that stops every new process delays only its own starts, which fail in time")
    func stopped() async throws {
        try await withService { service in
            let id = try await service.create()
            let other = try await service.create()
            _ = try await service.call(
                "POST", "/v1/sandboxes/\(id)/execs",
                json: ["argv": ["/usr/bin/python3", "-c", pythonPrelude + Self.stopper], "exec_id": "stopper"])
            for _ in 0..<100 {
                if try await service.call("GET", "/v1/sandboxes/\(id)/execs/stopper/stdout").text.contains("stopping") { break }
                try await Task.sleep(for: .milliseconds(20))
            }
            async let stopped = Self.start(service, id, ["argv": ["/bin/true"]])
            try await Task.sleep(for: .milliseconds(300))
            #expect(try await service.run(["echo", "free"], in: other).stdout == "free\n", "another sandbox feels nothing")
            let (answer, seconds) = try await stopped
            // Stopped before its program ran: a typed refusal. (After: it runs, stopped, which is the guest's own affair.)
            #expect(answer.status == 504 || answer["code"] == "deadline_exceeded" || answer.status < 300, "\(answer.text)")
            #expect(seconds < 13)
            let killed = try await service.call("POST", "/v1/sandboxes/\(id)/execs/stopper/signal", json: ["signal": "KILL"])
            #expect(killed.status < 300)
            #expect(try await service.run(["echo", "on"], in: id).stdout == "on\n", "init was never stopped")
        }
    }

    @Test("an init that doesn't answer makes a start fail typed, and the sandbox still ends")
    func silentInit() async throws {
        try await withService { service in
            let id = try await service.create()
            let pid = try #require(service.initProcess(of: id))
            // Nobody inside can do this; it stands for whatever might.
            kill(pid, SIGSTOP)
            let (answer, seconds) = try await Self.start(service, id, ["argv": ["/bin/true"]])
            #expect(answer["code"] == "deadline_exceeded", "\(answer.text)")
            #expect((9.0...13.0).contains(seconds), "\(seconds)")
            let ended = try await service.call("DELETE", "/v1/sandboxes/\(id)")
            #expect((ended.json["result"] as? [String: Any])?["reason"] as? String == "terminated", "\(ended.text)")
            #expect(kill(pid, 0) != 0)
        }
    }
}
