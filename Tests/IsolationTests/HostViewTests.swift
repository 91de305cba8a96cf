import Foundation
import ServiceSupport
import Testing

/// Isolation notes 7 and 8: what a sandbox sees of the host's files, by either way of mounting.
@Suite("The host's files", .serialized)
struct HostViewTests {
    /// Files of the host's that the test makes, and takes away again.
    private struct Planted {
        let usr = "/usr/share/cordon-test-\(UUID().uuidString.prefix(8))"
        let top = "/cordon-test-\(UUID().uuidString.prefix(8))"
        let etc = "/etc/cordon-test-\(UUID().uuidString.prefix(8))"

        func make(_ name: String) async throws {
            let directory = "\(usr)/\(name)"
            let made = try await host(
                """
                set -e; mkdir -p \(directory)/private; chmod 755 \(usr) \(directory)
                echo secret > \(directory)/secret; chmod 600 \(directory)/secret
                echo group > \(directory)/group; chmod 640 \(directory)/group
                echo open > \(directory)/open; chmod 644 \(directory)/open
                echo hidden > \(directory)/private/file; chmod 700 \(directory)/private
                mknod \(directory)/null c 1 3; chmod 666 \(directory)/null
                mkfifo -m 666 \(directory)/fifo
                """)
            guard made.status == 0 else { throw ServiceInstance.Unavailable(made.output) }
        }

        func remove() { for path in [usr, top, etc] { try? FileManager.default.removeItem(atPath: path) } }
    }

    private static func attempts(_ path: String) -> [Attempt] {
        [
            Attempt("read", "return text('\(path)/secret')", inside: "EACCES", outside: ["secret\n"]),
            Attempt("read for the group", "return text('\(path)/group')", inside: "EACCES", outside: ["group\n"]),
            Attempt("enter", "return text('\(path)/private/file')", inside: "EACCES", outside: ["hidden\n"]),
            Attempt("list", "return os.listdir('\(path)/private')", inside: "EACCES", outside: ["['file']"]),
            Attempt("widen, then read", "os.chmod('\(path)/secret', 0o666)\nreturn text('\(path)/secret')", inside: "EACCES", "EPERM", outside: nil, control: "return text('\(path)/secret')"),
            Attempt("take over, then read", "os.chown('\(path)/secret', 1000, 1000)\nreturn text('\(path)/secret')", inside: "EACCES", "EPERM", outside: nil, control: "return text('\(path)/secret')"),
            Attempt("move, then read", "os.rename('\(path)/secret', '\(path)/moved')\nreturn text('\(path)/moved')", inside: "EACCES", "EPERM", outside: nil, control: "return text('\(path)/secret')"),
            Attempt("link, then read", "os.link('\(path)/secret', '\(path)/linked')\nreturn text('\(path)/linked')", inside: "EACCES", "EPERM", outside: nil, control: "return text('\(path)/secret')"),
            Attempt("widen a directory, then list", "os.chmod('\(path)/private', 0o777)\nreturn os.listdir('\(path)/private')", inside: "EACCES", "EPERM", outside: nil, control: "return os.listdir('\(path)/private')"),
            Attempt("as who owns it on the host", "os.setresuid(65535, 65535, 65535)\nreturn text('\(path)/secret')", inside: "EACCES", "EPERM", outside: nil, control: "return text('\(path)/secret')"),
            Attempt("device", "os.open('\(path)/null', os.O_RDWR)", inside: "EACCES"),
        ]
    }

    /// An id-mapped clone of the same directory without the overlay: root inside reads what isn't for all.
    private static let withoutOverlay = """
        space = os.open(f"/proc/{sys.argv[1]}/ns/user", os.O_RDONLY)
        tree = call("open_tree", -100, ctypes.create_string_buffer(b"/usr/share"), 1 | 0o2000000)
        attributes = struct.pack("QQQQ", 0x100000, 0, 0, space)
        call("mount_setattr", tree, ctypes.create_string_buffer(b""), 0x1000, ctypes.create_string_buffer(attributes), 32)
        point = "/mnt"
        call("move_mount", tree, ctypes.create_string_buffer(b""), -100, ctypes.create_string_buffer(point.encode()), 4)
        call("setns", space, 0x10000000)
        os.setgid(0); os.setuid(0)
        print(text(point + sys.argv[2].removeprefix("/usr/share") + "/secret"), end="")
        """

    @Test("only what everybody may read is readable, also when it appears later", arguments: ["descriptors", "attached-clones"])
    func readable(method: String) async throws {
        let planted = Planted()
        defer { planted.remove() }
        try await planted.make("before")
        try await withService("--overlay-method", method) { service in
            let id = try await service.create()
            try await planted.make("after")
            #expect(try await host("mkdir \(planted.top) && echo x > \(planted.top)/file && echo x > \(planted.etc)").status == 0)
            for name in ["before", "after"] {
                let path = "\(planted.usr)/\(name)"
                try await service.hold(Self.attempts(path), in: id)
                let open = try await service.run(["cat", "\(path)/open"], in: id, user: "1000")
                #expect(open.stdout == "open\n", "control: what is for everybody is readable: \(open)")
                let control = try await ServiceInstance.program(
                    "/usr/bin/unshare",
                    [
                        "-m", "/usr/bin/python3", "-c", pythonPrelude + Self.withoutOverlay,
                        "\(try #require(service.initProcess(of: id)))", path,
                    ])
                #expect(control.output == "secret\n", "control: an id-mapped mount alone would give it away")
            }
            let hidden = [
                Attempt("top", "return os.listdir('\(planted.top)')", inside: "ENOENT", outside: ["['file']"]),
                Attempt("etc", "os.stat('\(planted.etc)')", inside: "ENOENT"),
                Attempt("data directory", "os.stat('\(service.dataDirectory)')", inside: "ENOENT"),
                Attempt("run directory", "os.stat('\(service.runDirectory)')", inside: "ENOENT"),
                Attempt("the host's /tmp", "return len(os.listdir('/tmp'))", inside: "0", outside: nil),
                Attempt("a way up", "return len(os.listdir('/../../..')) == len(os.listdir('/')) and os.path.exists('/../\(planted.top)')", inside: "False", outside: ["True"]),
            ]
            try await service.hold(hidden, in: id)
        }
    }

    private static let everyday = """
        set -e
        echo new > /usr/bin/new-program; chmod 755 /usr/bin/new-program
        echo x >> /usr/share/common-licenses/GPL-3
        rm /usr/bin/perl
        mv /usr/share/doc /usr/share/moved-doc; test -d /usr/share/moved-doc/bash
        mkdir /usr/share/doc; test -z "$(ls /usr/share/doc)"
        echo nameserver > /etc/resolv.conf
        mv /etc/skel /etc/skel2; test -e /etc/skel2
        ln /usr/bin/id /usr/bin/id2; cp -a /usr/bin/id /tmp/; mkfifo /tmp/f
        echo done
        """

    @Test("writes to / and /usr work and stay inside, by either way of mounting", arguments: ["descriptors", "attached-clones"])
    func writes(method: String) async throws {
        let seen = "ls /usr/bin /usr/share /etc | sha256sum; sha256sum /usr/share/common-licenses/GPL-3; stat -c %y /usr/bin /usr/share; ls -l /usr/bin/perl"
        let before = try await host(seen).output
        try await withService("--overlay-method", method) { service in
            let id = try await service.create()
            let mounts = try await service.run(["cat", "/proc/self/mountinfo"], in: id).stdout
            #expect(mounts.contains("lowerdir+=") == (method == "descriptors"), "it is this method: \(mounts.prefix(300))")
            #expect(!mounts.contains(service.directory), "no path of the host's is told")
            let outcome = try await service.run(["bash", "-c", Self.everyday], in: id)
            #expect(outcome.stdout == "done\n", "\(outcome.stderr)")
            #expect(try await host(seen).output == before)
            let other = try await service.create()
            let fresh = try await service.run(["sh", "-c", "ls /usr/bin/new-program /usr/share/moved-doc; ls -d /usr/share/doc/bash"], in: other)
            #expect(fresh.stdout == "/usr/share/doc/bash\n")
        }
    }

    /// What root of the host finds and a sandbox must not: sources of secrets by name.
    @Test("no password, key or credential of the host is in the image")
    func credentials() async throws {
        try await withService { service in
            let id = try await service.create()
            let shadow = try await service.run(["cat", "/etc/shadow", "/etc/gshadow"], in: id)
            #expect(shadow.stdout.contains("root:*:"))
            for line in shadow.stdout.split(separator: "\n") {
                #expect(["*", "!"].contains(line.split(separator: ":", omittingEmptySubsequences: false)[1]), "\(line)")
            }
            let find = "find / -xdev \\( -path /proc -o -path /sys \\) -prune -o -type f \\( -name '*.key' -o -name 'ssh_host_*' -o -name 'id_rsa*' -o -name '*.keytab' -o -name '.netrc' -o -name 'credentials*' -o -name 'auth.conf' \\) -print 2>/dev/null"
            let keys = try await service.run(["bash", "-c", find], in: id)
            #expect(keys.stdout.split(separator: "\n").filter { !$0.hasPrefix("/usr/") } == [])
            let names = ["/etc/ssl/private", "/etc/ssh", "/etc/sudoers", "/root/.ssh", "/root/.bash_history", "/var/lib/private", "/var/run/docker.sock", "/etc/machine-id.d"]
            for name in names {
                #expect(try await service.run(["test", "-e", name], in: id).exitCode == 1, "\(name)")
            }
            #expect(try await service.run(["cat", "/etc/machine-id"], in: id).stdout == "")
            let found = try await host("cat /etc/shadow | cut -d: -f2 | sort -u | wc -l; test -e /etc/ssl/private && echo there")
            #expect(found.output.contains("there"), "control: the host has what is looked for")
            let environment = try await service.run(["env"], in: id).stdout
            for name in ["CORDON_TOKEN", "SWIFT_ROOT", "PWD=/work"] { #expect(!environment.contains(name), "\(environment)") }
        }
    }
}

