import Foundation
import ServiceSupport
import Testing

/// A terminal has two ends in two worlds: what inside can do with its own.
@Suite("Terminals from inside", .serialized)
struct TerminalIsolationTests {
    /// The outcomes of attempts by an exec that has a terminal, whose output they go to.
    private func onTerminal(
        _ attempts: [Attempt], in id: String, user: String, of service: ServiceInstance
    ) async throws -> [String: String] {
        var program = pythonPrelude + "import termios, pty, tty\nfound = {}\n"
        for (number, attempt) in attempts.enumerated() {
            let body = attempt.code.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
            program += "def attempt\(number)():\n\(body)\nfound[\(number)] = outcome(attempt\(number))\n"
        }
        program += "print(json.dumps(found))\n"
        let answer = try await service.call(
            "POST", "/v1/sandboxes/\(id)/execs",
            json: [
                "argv": ["/usr/bin/python3", "-c", program], "wait": true, "user": user, "pty": [String: Any](),
            ])
        // What was typed into it is shown before.
        let text = answer["stdout"].drop { $0 != "{" }
        let found = (try JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: String] ?? [:]
        return Dictionary(
            uniqueKeysWithValues: attempts.enumerated().map { ($0.element.name, found["\($0.offset)"] ?? "nothing") })
    }

    private static let type = #"fcntl.ioctl(0, termios.TIOCSTI, b"x")"#
    /// Everything that needs a right over the terminal which nobody inside has.
    private static let attempts: [Attempt] = [
        Attempt("type into it", type, inside: "EPERM"),
        Attempt("type into it, high bits set", #"call("ioctl", 0, 0x5412 | 1 << 32, b"x")"#, inside: "EPERM"),
        Attempt("paste from a console", #"fcntl.ioctl(0, 0x541c, b"\x03")"#, inside: "EPERM"),
        Attempt("another line discipline", #"fcntl.ioctl(0, 0x5423, struct.pack("i", 21))"#, inside: "EPERM"),
        Attempt("take the console's output", "fcntl.ioctl(0, termios.TIOCCONS)", inside: "EPERM"),
        Attempt("lock its settings", #"fcntl.ioctl(0, 0x5457, b"\xff" * 64)"#, inside: "EPERM"),
        Attempt("hang it up for others", #"call("vhangup")"#, inside: "EPERM"),
        Attempt(
            "take it from its session",
            "os.setsid()\nfcntl.ioctl(0, termios.TIOCSCTTY, 1)", inside: "EPERM"),
        Attempt("its other end", "fcntl.ioctl(0, 0x5441, os.O_RDWR)", inside: "ENOTTY", "EIO", "EINVAL"),
        Attempt("unlock", "fcntl.ioctl(0, 0x40045431, b'\\0\\0\\0\\0')", inside: "ENOTTY", "EIO", "EINVAL"),
    ]

    @Test("nobody types into a terminal from inside, takes it from its session, or reaches its other end")
    func rights() async throws {
        try await withService { service in
            let id = try await service.create()
            for user in ["0", "1000"] {
                let found = try await onTerminal(Self.attempts, in: id, user: user, of: service)
                for attempt in Self.attempts {
                    let outcome = found[attempt.name] ?? ""
                    #expect(attempt.inside.contains(outcome), "\(attempt.name) as user \(user): \(outcome)")
                }
            }
        }
    }

    /// Kernels can be set not to know TIOCSTI (dev.tty.legacy_tiocsti): then the control gets EIO.
    @Test("without the filter, what it refuses gets as far as the kernel")
    func unfiltered() async throws {
        try await withUnfilteredPolicy { service in
            let id = try await service.create(["policy": "strict"])
            let attempts = [
                Attempt("type into it", Self.type, inside: "ok", "EIO"),
                Attempt("another line discipline", #"fcntl.ioctl(0, 0x5423, struct.pack("i", 0))"#, inside: "ok"),
            ]
            let found = try await onTerminal(attempts, in: id, user: "0", of: service)
            for attempt in attempts {
                #expect(attempt.inside.contains(found[attempt.name] ?? ""), "control: \(attempt.name): \(found)")
            }
            // Nor does root inside, whatever calls it has, take a terminal from a session of another exec.
            let steal = Attempt("steal", "os.setsid()\nfcntl.ioctl(0, termios.TIOCSCTTY, 1)", inside: "EPERM")
            #expect(try await onTerminal([steal], in: id, user: "0", of: service)["steal"] == "EPERM")
        }
    }

    @Test("a payload starts with its terminal as 0, 1 and 2 and with nothing else, and the other end is nowhere inside")
    func descriptors() async throws {
        try await withService { service in
            let id = try await service.create()
            let program = """
                import os
                mine = set(os.listdir("/proc/self/fd"))
                print(sorted(n for n in mine if os.path.exists("/proc/self/fd/" + n)), len({os.fstat(n).st_rdev for n in range(3)}))
                links = []
                for pid in filter(str.isdigit, os.listdir("/proc")):
                    try: links += [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
                    except OSError: pass
                print(sorted(set(links)))
                """
            for user in ["0", "1000"] {
                let answer = try await service.call(
                    "POST", "/v1/sandboxes/\(id)/execs",
                    json: [
                        "argv": ["/usr/bin/python3", "-c", program], "wait": true, "user": user, "pty": [String: Any](),
                    ])
                let lines = answer["stdout"].split(separator: "\r\n")
                #expect(lines.first == "['0', '1', '2'] 1", "\(answer.text)")
                #expect(!answer["stdout"].contains("ptmx"), "\(answer.text)")
            }
        }
    }

    @Test("a terminal is its sandbox's alone, and an exec without one has none")
    func apart() async throws {
        try await withService { service in
            let (one, other) = (try await service.create(), try await service.create())
            _ = try await service.call(
                "POST", "/v1/sandboxes/\(one)/execs", json: ["argv": ["cat"], "pty": [String: Any]()])
            let look = ["sh", "-c", "ls /dev/pts; : < /dev/tty"]
            let own = try await service.run(look, in: one)
            #expect(own.stdout == "0\nptmx\n", "control: there it is: \(own)")
            #expect(own.stderr.contains("No such device or address"), "nobody else's is an exec's own: \(own)")
            let elsewhere = try await service.run(look, in: other)
            #expect(elsewhere.stdout == "ptmx\n", "\(elsewhere)")
            // Another user's can't be opened; root inside may, as on any machine.
            for (user, code) in [("1000", 2), ("0", 0)] {
                let outcome = try await service.run(
                    ["sh", "-c", "printf x > /dev/pts/0 || exit 2"], in: one, user: user)
                #expect(outcome.exitCode == code, "as user \(user): \(outcome)")
            }
        }
    }
}
