import Foundation
import SeccompPolicy
import Testing

@Suite("Under the policy", .serialized)
struct ProgramsUnderPolicyTests {
    struct Program: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var needs: [String]
        var script: String
        var output: String
        var runsInStrict = true

        /// The Debian package of each program that a case needs.
        static let packages = [
            "apt-get": "apt", "bash": "bash", "dpkg": "dpkg", "gcc": "gcc", "gdb": "gdb", "git": "git",
            "node": "nodejs", "python3": "python3", "strace": "strace",
        ]

        /// The packages that are missing here: a case that can't run has failed, and says why.
        var missingPackages: [String] {
            let path = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
            return needs.filter { name in
                !path.contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
            }.map { Self.packages[$0] ?? $0 }
        }
    }

    static let programs: [Program] = [
        Program(
            testDescription: "gcc builds and runs", needs: ["gcc"],
            script: """
                printf '#include <stdio.h>\\nint main(void){puts("hello");}' > a.c; gcc -O2 -pipe -o a a.c; ./a
                """, output: "hello"),
        Program(
            testDescription: "bash pipes, substitutes and controls jobs", needs: ["bash"],
            script: """
                seq 1000 | sort -n | tail -1; cat <(echo sub) ; sleep 0.01 & wait; set -m; (exit 0) | cat; echo end
                """, output: "1000\nsub\nend"),
        Program(
            testDescription: "git commits", needs: ["git"],
            script: """
                git init -q . ; git config user.email a@b; git config user.name n; echo x > f; git add f
                git commit -qm m; git gc -q; git log --format=%s
                """, output: "m"),
        Program(
            testDescription: "Python threads, asyncio and subprocesses", needs: ["python3"],
            script: """
                /usr/bin/python3 -c 'import subprocess, threading, asyncio, ssl, sqlite3, tempfile
                t = threading.Thread(target=lambda: None); t.start(); t.join()
                asyncio.run(asyncio.sleep(0))
                print(subprocess.check_output(["echo", "child"]).decode(), end="")'
                """, output: "child"),
        Program(
            testDescription: "Python multiprocessing", needs: ["python3"],
            script: """
                cat > m.py <<'END'
                import multiprocessing
                def double(n): return n * 2
                if __name__ == "__main__":
                    for way in ("fork", "spawn", "forkserver"):
                        with multiprocessing.get_context(way).Pool(2) as pool: print(sum(pool.map(double, range(10))))
                END
                /usr/bin/python3 m.py
                """, output: "90\n90\n90"),
        Program(
            testDescription: "Python lists interfaces and serves TCP", needs: ["python3"],
            script: """
                /usr/bin/python3 -c 'import socket
                assert socket.if_nameindex()
                s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname())
                c.sendall(b"tcp\\n"); print(s.accept()[0].recv(9).decode(), end="")'
                """, output: "tcp", runsInStrict: false),
        Program(
            testDescription: "node evaluates, reads and spawns", needs: ["node"],
            script: """
                node -e 'require("fs").promises.readFile("/etc/hostname").then(() => console.log(
                  require("child_process").execSync("echo node").toString().trim()))'
                """, output: "node"),
        Program(
            testDescription: "node runs workers", needs: ["node"],
            script: """
                node -e 'const {Worker} = require("worker_threads");
                  new Worker("require(\\"worker_threads\\").parentPort.postMessage(\\"w\\")", {eval: true}).on("message", console.log)'
                """, output: "w"),
        Program(
            testDescription: "strace traces a child", needs: ["strace"],
            script: """
                strace -f -o log sh -c 'echo traced'; grep -q execve log
                """, output: "traced", runsInStrict: false),
        Program(
            testDescription: "gdb stops a child", needs: ["gdb", "gcc"],
            script: """
                echo 'int main(void){return 0;}' > a.c; gcc -g -o a a.c
                gdb -q -batch -nx -ex 'break main' -ex run -ex 'print 40+2' ./a 2>&1 | tail -1
                """, output: "$1 = 42", runsInStrict: false),
        Program(
            testDescription: "dpkg and apt work on a root of their own", needs: ["dpkg", "apt-get"],
            script: """
                mkdir -p p/DEBIAN p/opt/x; printf 'Package: x\\nVersion: 1\\nArchitecture: all\\nMaintainer: m <m@m>\\nDescription: d\\n' > p/DEBIAN/control
                dpkg-deb -b p x.deb > /dev/null; mkdir -p r/var/lib/dpkg r/bin; touch r/var/lib/dpkg/status
                dpkg --root=r --force-all -i x.deb > log 2>&1; test -d r/opt/x
                apt-get -qq -s install ./x.deb | tail -1 | cut -c1-6
                """, output: "Conf x", runsInStrict: false),
        Program(
            testDescription: "pip is installed by pip", needs: ["python3"],
            script: """
                /usr/bin/python3 -c 'import ensurepip' 2> /dev/null || { echo install Debian package python3-venv; exit 1; }
                /usr/bin/python3 -m venv v; v/bin/pip --version | cut -d' ' -f1
                """, output: "pip", runsInStrict: false),
    ]

    @Test("default, development tools work", arguments: programs)
    func development(program: Program) async throws {
        try await expect(program, under: "default")
    }

    @Test("strict, plain code runs", arguments: programs.filter(\.runsInStrict))
    func plainCode(program: Program) async throws {
        try await expect(program, under: "strict")
    }

    @Test("a program cannot take the filter off, and its children keep it", arguments: ["default", "strict"])
    func inherited(policy: String) async throws {
        let confined = ConfinedPython(program: try Policies.load(policy).compile())
        let outcome = try await confined.bash("grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t\\n'")
        #expect(outcome.output == "NoNewPrivs:1Seccomp:2")
    }

    private func expect(_ program: Program, under policy: String) async throws {
        let missing = program.missingPackages
        try #require(missing.isEmpty, "install Debian packages: \(missing.joined(separator: " "))")
        let outcome = try await ConfinedPython(program: try Policies.load(policy).compile()).bash(program.script)
        #expect(outcome.status == 0, "\(outcome.output)")
        #expect(outcome.output.trimmingCharacters(in: .whitespacesAndNewlines) == program.output)
    }
}
