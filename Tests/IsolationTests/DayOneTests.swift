import Foundation
import ServiceSupport
import Testing

/// Isolation note 15: what works on any machine works here, as root and as a user.
@Suite("Day one", .serialized)
struct DayOneTests {
    private static let network: [Attempt] = [
        Attempt("a port below 1024", #"s = socket.socket(); s.bind(("0.0.0.0", 80)); s.listen()"#, inside: "ok"),
        Attempt("ping's socket", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1)", inside: "ok"),
        Attempt("ping's socket for IPv6", "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, 58)", inside: "ok", "EAFNOSUPPORT"),
        Attempt("loopback is up", #"s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); socket.create_connection(s.getsockname())"#, inside: "ok"),
        Attempt("terminal", "import pty\nmaster, slave = pty.openpty()\nos.write(slave, b'x')\nreturn os.read(master, 1).decode() + os.ttyname(slave)[:8]", inside: "x/dev/pts"),
        Attempt(
            "terminal's owner", "import pty\nmaster, slave = pty.openpty()\nos.open(os.ttyname(slave), os.O_RDWR | os.O_NOCTTY)\nstatus = os.fstat(slave)\nreturn status.st_uid == os.getuid(), status.st_gid, oct(status.st_mode & 0o777)",
            inside: "(True, 5, '0o620')"),
        Attempt("stdout again", "open('/dev/stdout', 'w').write('')", inside: "ok"),
        Attempt("stderr again", "open('/dev/stderr', 'w').write('')", inside: "ok"),
        Attempt("own files", "for d in ('/tmp', '/var/tmp', '/dev/shm'):\n    open(d + '/f%d' % os.getuid(), 'w').write('x')", inside: "ok"),
        Attempt("semaphores", "import multiprocessing\nmultiprocessing.Lock().acquire()", inside: "ok"),
        Attempt("random", "return len(os.getrandom(8) + read('/dev/urandom', 8))", inside: "16"),
        Attempt("times", "return abs(time.time() - float(sys.argv[1] if len(sys.argv) > 1 else time.time())) < 60", inside: "True"),
    ]

    @Test("sockets, terminals and files work", arguments: ["0", "1000", "65534"])
    func everyday(user: String) async throws {
        try await withService { service in
            let id = try await service.create()
            let found = try await service.outcomes(of: Self.network, at: .sandbox(id, user: user))
            for attempt in Self.network {
                #expect(attempt.inside.contains(found[attempt.name] ?? ""), "\(attempt.name): \(found[attempt.name] ?? "")")
            }
            for stream in ["stdout", "stderr"] {
                let echoed = try await service.run(["sh", "-c", "echo through > /dev/\(stream)"], in: id, user: user)
                #expect((stream == "stdout" ? echoed.stdout : echoed.stderr) == "through\n", "\(echoed)")
            }
        }
    }

    /// A namespace made without the step, as the control: what the setting is before it is changed.
    @Test("low ports and ping need the settings that the sandbox's network was given")
    func networkControl() async throws {
        try await withService { service in
            let defaults = try await service.probe(
                """
                print(text("/proc/sys/net/ipv4/ip_unprivileged_port_start").strip(), text("/proc/sys/net/ipv4/ping_group_range").split())
                os.setgid(65534); os.setuid(65534)
                def low(): socket.socket().bind(("0.0.0.0", 80))
                def ping(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1)
                print(outcome(low), outcome(ping))
                """, at: .host)
            #expect(defaults == "1024 ['1', '0']\nEACCES EACCES\n")
            let id = try await service.create()
            let settings = try await service.run(
                ["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/net/ipv4/ping_group_range"], in: id)
            #expect(settings.stdout == "0\n0\t65535\n", "its own range, and nobody else's")
        }
    }

    @Test("a user who is told by number or name gets exactly that, with its groups and home")
    func users() async throws {
        try await withService { service in
            let id = try await service.create()
            _ = try await service.run(["sh", "-c", "echo '5:x:2000:2000::/home/five:/bin/sh' >> /etc/passwd; useradd -m -u 1000 -G audio,video alice"], in: id)
            for (user, expected) in [
                ("0", "0 0 0 /root"), ("1234", "1234 0 0 /"), ("1234:77", "1234 77 77 /"),
                ("nobody", "65534 65534 65534 /nonexistent"), ("65534", "65534 65534 65534 /nonexistent"),
                // A text of digits is a number, never the name of an entry.
                ("5", "5 60 60 /usr/games"), ("alice", "1000 1000 1000 29 44 /home/alice"), ("alice:audio", "1000 29 29 /home/alice"), ("alice:7", "1000 7 7 /home/alice"), ("0:audio", "0 29 29 /root"),
            ] {
                let outcome = try await service.run(["sh", "-c", "echo $(id -u) $(id -g) $(id -G) $HOME"], in: id, user: user)
                #expect(outcome.stdout == "\(expected)\n", "\(user): \(outcome.stdout)")
            }
            for user in ["65536", "4294967296", "-1", "0x0", "mallory", "root:mallory", "99999999999999999999"] {
                let answer = try await service.call("POST", "/v1/sandboxes/\(id)/execs", json: ["argv": ["id"], "user": user, "wait": true])
                #expect((400..<500).contains(answer.status), "\(user): \(answer.text)")
            }
        }
    }
}
