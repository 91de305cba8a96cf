import Foundation
import ServiceSupport
import Testing

/// The escape checklist, section A: the moment at which the service's own program is inside.
@Suite("Entry", .serialized)
struct EntryTests {
    private static func hash() async throws -> String {
        try await host("sha256sum \(try ServiceInstance.products)/cordon-shim \(try ServiceInstance.products)/cordon-launcher").output
    }

    @Test("the service's program can't be overwritten through /proc/self/exe (CVE-2019-5736)")
    func selfExe() async throws {
        let before = try await Self.hash()
        try await withService { service in
            let id = try await service.create()
            // Both make the shim's own program run as the payload; it has no business there and ends.
            _ = try await service.run(["sh", "-c", "printf '#!/proc/self/exe\\n' > /tmp/self; chmod 755 /tmp/self; ln -s /proc/self/exe /tmp/link"], in: id)
            let watcher = """
                import threading
                outcomes = set()
                end = time.time() + 3
                while time.time() < end:
                    for pid in os.listdir("/proc"):
                        if not pid.isdigit() or int(pid) == os.getpid(): continue
                        try: exe = os.readlink(f"/proc/{pid}/exe")
                        except OSError: continue
                        if "cordon-shim" not in exe: continue
                        for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
                            try: os.open(f"/proc/{pid}/exe", flags); outcomes.add("ok")
                            except OSError as error: outcomes.add(errno.errorcode[error.errno])
                print(sorted(outcomes))
                """
            async let seen = service.probe(watcher, at: .sandbox(id, user: "0"))
            for _ in 0..<10 {
                for program in ["/proc/self/exe", "/tmp/self", "/tmp/link"] {
                    _ = try await service.call("POST", "/v1/sandboxes/\(id)/execs", json: ["argv": [program, "x"], "wait": true, "timeout_seconds": 2])
                }
            }
            let outcomes = try await seen
            #expect(!outcomes.contains("ok"), "\(outcomes)")
            #expect(try await service.run(["echo", "alive"], in: id).stdout == "alive\n")
        }
        #expect(try await Self.hash() == before)
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let control = try await host("cp /bin/sleep \(directory)/s; \(directory)/s 0.2 & sleep 0.1; cp /proc/$!/exe \(directory)/t && echo x >> \(directory)/t && echo written")
        #expect(control.output == "written\n", "control: an executable's owner may overwrite it")
    }

    @Test("no working directory leads out by a descriptor (CVE-2024-21626)")
    func workdir() async throws {
        try await withService { service in
            let id = try await service.create()
            for path in (0..<24).map({ "/proc/self/fd/\($0)" }) + ["/proc/1/root", "/proc/1/cwd", "/proc/self/fd/3/../../.."] {
                let answer = try await service.call(
                    "POST", "/v1/sandboxes/\(id)/execs", json: ["argv": ["/bin/pwd"], "workdir": path, "wait": true])
                #expect((400..<500).contains(answer.status), "\(path): \(answer.text)")
            }
            let link = try await service.run(["ln", "-s", "/proc/self/root/usr", "/tmp/inside"], in: id)
            #expect(link.exitCode == 0)
            let through = try await service.call(
                "POST", "/v1/sandboxes/\(id)/execs", json: ["argv": ["/bin/pwd", "-P"], "workdir": "/tmp/inside", "wait": true])
            #expect(through["stdout"] == "/usr\n", "control: what is inside can be entered: \(through.text)")
        }
    }

    @Test("the environment is the payload's alone: nothing between clone and exec reads it")
    func environment() async throws {
        try await withService { service in
            let id = try await service.create()
            let hostile = [
                "LD_PRELOAD": "/tmp/evil.so", "LD_AUDIT": "/tmp/evil.so", "GLIBC_TUNABLES": "glibc.malloc.mxfast=x=y",
                "BASH_ENV": "/tmp/evil", "NEWLINE": "a\nb", "SWIFT_ROOT": "/tmp",
            ]
            let answer = try await service.call(
                "POST", "/v1/sandboxes/\(id)/execs", json: ["argv": ["/usr/bin/env", "-0"], "env": hostile, "wait": true])
            for (name, value) in hostile { #expect(answer["stdout"].contains("\(name)=\(value)\0"), "\(name)") }
            for bad in [["A=B": "x"], ["": "x"], ["A\0": "x"], ["A": "x\0y"]] {
                let refused = try await service.call("POST", "/v1/sandboxes/\(id)/execs", json: ["argv": ["true"], "env": bad])
                #expect(refused.status == 400, "\(bad): \(refused.text)")
            }
        }
    }

    @Test("processes of the host don't exist inside")
    func hostProcesses() async throws {
        try await withService { service in
            let id = try await service.create()
            let pids = [service.servicePID, try #require(service.launcherPID), try #require(service.shim(of: id)), try #require(service.initProcess(of: id))]
            let attempts = pids.flatMap { pid in
                [
                    Attempt("kill \(pid)", "os.kill(\(pid), 0)", inside: "ESRCH"),
                    Attempt("pidfd \(pid)", "call('pidfd_open', \(pid), 0)", inside: "ESRCH"),
                    Attempt("limits \(pid)", "resource.prlimit(\(pid), resource.RLIMIT_NOFILE)", inside: "ESRCH", "ProcessLookupError"),
                    Attempt("see \(pid)", "os.stat('/proc/\(pid)')", inside: "ENOENT"),
                ]
            }
            for user in ["0", "1000"] {
                let found = try await service.outcomes(of: attempts, at: .sandbox(id, user: user))
                for attempt in attempts { #expect(attempt.inside.contains(found[attempt.name] ?? ""), "\(attempt.name): \(found[attempt.name] ?? "")") }
            }
            #expect(pids.allSatisfy { kill($0, 0) == 0 }, "control: they are there")
        }
    }
}
