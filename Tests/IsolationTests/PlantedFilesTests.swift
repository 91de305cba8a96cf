import Foundation
import ServiceSupport
import Testing

/// Isolation note 1: files on disk keep plain ids, so what root inside plants is setuid root on the host.
@Suite("Planted files", .serialized)
struct PlantedFilesTests {
    /// What a user of the host's gets from a program: its effective user id.
    private static func asNobody(_ command: String) async throws -> (status: Int32, output: String) {
        // By a shell: setpriv itself still has root's capabilities when it executes its program.
        try await host("setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all sh -c '\(command)' 2>&1")
    }

    private static let plant = """
        set -e
        cp /usr/bin/id /root/id; chown 0:0 /root/id; chmod 4755 /root/id; chmod 755 /root
        cp /usr/bin/id /usr/bin/planted; chmod 6755 /usr/bin/planted
        python3 - <<'END'
        import os, struct
        # cap_setuid,cap_dac_override=ep, as of version 2 (capabilities(7))
        os.setxattr("/root/id", "security.capability", struct.pack("<IIIII", 0x02000001, 0x82, 0, 0, 0))
        END
        """

    @Test("a setuid-root program that root inside plants can't be reached by a user of the host")
    func setuid() async throws {
        try await withService { service in
            let id = try await service.create()
            let planted = try await service.run(["bash", "-c", Self.plant], in: id, user: "0")
            #expect(planted.exitCode == 0, "\(planted.stderr)")
            for (layer, path) in [("r1", "root/id"), ("r2", "bin/planted")] {
                let file = "\(try service.layer(layer, of: id))/\(path)"
                // The danger is real: host root's, setuid.
                var status = stat()
                #expect(lstat(file, &status) == 0)
                #expect(status.st_uid == 0 && status.st_mode & 0o4000 != 0, "control: \(file) is setuid root on disk")
                let reached = try await Self.asNobody(file)
                #expect(reached.status != 0)
                #expect(reached.output.contains("Permission denied"), "\(reached.output)")

                // Where everybody can reach it, it makes a user root.
                let open = try temporaryDirectory()
                defer { try? FileManager.default.removeItem(atPath: open) }
                _ = try await host("cp -a --preserve=all \(file) \(open)/id")
                let control = try await Self.asNobody("\(open)/id -u")
                #expect(control.output == "0\n", "control: \(control.output)")
            }
        }
    }

    @Test("only root enters what sandboxes write, and only the service's account what it serves")
    func modes() async throws {
        try await withService { service in
            let id = try await service.create()
            let service0 = service.dataDirectory
            for (path, mode) in [
                (service0, 0o710), ("\(service0)/storage", 0o710), ("\(service0)/storage/slots", 0o700),
                ("\(service0)/storage/images", 0o700), ("\(service0)/storage/sandboxes", 0o750),
                ("\(service0)/service", 0o700), (service.runDirectory, 0o750), ("\(service.runDirectory)/slots", 0o750),
            ] {
                var status = stat()
                #expect(lstat(path, &status) == 0)
                #expect(status.st_mode & 0o7777 == mode_t(mode), "\(path): \(String(status.st_mode & 0o7777, radix: 8))")
                #expect(status.st_uid == 0 || path.hasSuffix("/service"), "\(path) belongs to \(status.st_uid)")
            }
            let upper = try service.layer("r1", of: id)
            let account = try Self.account(of: service.servicePID)
            #expect(account != "0", "the service runs as an account of its own")
            for user in ["65534", account] {
                let listing = try await host(
                    "setpriv --reuid \(user) --regid \(user) --clear-groups ls \(upper) \(service0)/storage/images 2>&1")
                #expect(listing.status != 0)
                #expect(!listing.output.contains("etc"), "user \(user): \(listing.output)")
            }
            #expect(try await host("ls \(service0)/storage/images/*/root").output.contains("etc"), "control: root lists it")
        }
    }

    private static func account(of pid: pid_t) throws -> String {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("Uid:") })
        return String(line.split(whereSeparator: \.isWhitespace)[1])
    }

    @Test("the launcher sees what sandboxes wrote through a mount without setuid, devices and programs")
    func launcherMount() async throws {
        try await withService { service in
            let id = try await service.create()
            _ = try await service.run(["bash", "-c", Self.plant], in: id, user: "0")
            let launcher = try #require(service.launcherPID)
            let file = "\(try service.layer("r1", of: id))/root/id"
            let inside = try await host("nsenter -t \(launcher) -m -- \(file) 2>&1")
            #expect(inside.output.contains("Permission denied"), "\(inside.output)")
            let lines = try String(contentsOfFile: "/proc/\(launcher)/mountinfo", encoding: .utf8).split(separator: "\n")
            let mount = try #require(lines.first { $0.contains(" \(service.dataDirectory)/storage ") })
            for flag in ["nosuid", "nodev", "noexec"] { #expect(mount.contains(flag), "\(mount)") }
            #expect(try await host("\(file) -u").output == "0\n", "control: by the host's own mount it runs")
        }
    }

    @Test("setuid and file capabilities have no effect inside, and no mount of a sandbox's files honours them")
    func inside() async throws {
        try await withService { service in
            let id = try await service.create()
            _ = try await service.run(["bash", "-c", Self.plant], in: id, user: "0")
            for program in ["/root/id", "/usr/bin/planted"] {
                let outcome = try await service.run([program, "-u"], in: id, user: "1000")
                #expect(outcome.stdout == "1000\n", "\(program): \(outcome.stdout)\(outcome.stderr)")
            }
            let mounts = try await service.run(["cat", "/proc/self/mountinfo"], in: id).stdout.split(separator: "\n")
            for line in mounts {
                let fields = line.split(separator: " ")
                #expect(fields[5].contains("nosuid"), "\(line)")
                // Only /dev itself, and what is cloned from it to hide files, has devices.
                let isDevice = fields[4] == "/dev" || fields[4] == "/dev/pts" || fields[3] == "/null"
                #expect(isDevice || fields[5].contains("nodev"), "\(line)")
                #expect(!line.contains(service.directory), "no path of the host's: \(line)")
            }
            #expect(mounts.count > 10)
        }
    }
}
