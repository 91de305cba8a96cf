import Foundation
import ServiceSupport
import Testing

/// What the service's own processes hold, and who may talk to them.
@Suite("Outside", .serialized)
struct OutsideTests {
    private static func status(of pid: pid_t, _ field: String) throws -> String {
        let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(field):") })
        return line.dropFirst(field.count + 1).trimmingCharacters(in: .whitespaces)
    }

    @Test("the service holds no capability, and a shim only five once its sandbox is somebody's")
    func capabilities() async throws {
        try await withService("--pool-size", "4") { service in
            let id = try await service.create()
            for set in ["CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh"] {
                #expect(try Self.status(of: service.servicePID, set) == "0000000000000000", "\(set)")
            }
            #expect(try Self.status(of: service.servicePID, "NoNewPrivs") == "1")
            #expect(try !Self.status(of: service.servicePID, "Uid").split(separator: "\t").contains("0"))
            // CHOWN DAC_OVERRIDE KILL SETGID SETUID
            let shim = try #require(service.shim(of: id))
            for set in ["CapPrm", "CapEff", "CapBnd"] {
                #expect(try Self.status(of: shim, set) == "00000000000000e3", "\(set)")
            }
            let launcher = try #require(service.launcherPID)
            let full = try Self.status(of: launcher, "CapPrm")
            #expect(full != "00000000000000e3" && full != "0000000000000000", "control: root has more")
            let idle = try #require(service.slots().first { $0.sandbox.isEmpty }).shim
            #expect(try Self.status(of: idle, "CapPrm") == full, "control: it is given up when the sandbox is assigned")
            // Whoever could read its memory would hold its descriptors.
            for pid in [launcher, shim] {
                var owner = stat()
                #expect(lstat("/proc/\(pid)/environ", &owner) == 0 && owner.st_uid == 0)
                #expect(try await host("tr '\\0' '\\n' </proc/\(pid)/environ").output == "SWIFT_ROOT=/\n")
            }
            #expect(
                try await host("tr '\\0' ' ' </proc/\(shim)/cmdline").output.trimmingCharacters(in: .whitespaces) == "")
        }
    }

    private static let connect = """
        import glob
        found = []
        for path in sys.argv[1:]:
            def attempt(): socket.socket(socket.AF_UNIX).connect(path)
            found.append(outcome(attempt))
        print(found)
        """

    @Test("no user of the host but the service's can reach the launcher, a shim or what was recorded")
    func sockets() async throws {
        try await withService { service in
            let id = try await service.create()
            let slot = try #require(service.slots().first { $0.sandbox == id }).name
            let paths = ["\(service.runDirectory)/launcher.sock", "\(service.runDirectory)/slots/\(slot)/shim.sock"]
            let program = pythonPrelude + Self.connect
            let asNobody = try await ServiceInstance.program(
                "/usr/bin/setpriv",
                ["--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3", "-c", program] + paths)
            #expect(asNobody.output == "['EACCES', 'EACCES']\n", "\(asNobody.output)")
            let asRoot = try await ServiceInstance.program("/usr/bin/python3", ["-c", program] + paths)
            #expect(asRoot.output == "['ok', 'ok']\n", "control: they listen")
            for path in [
                "\(service.dataDirectory)/service/credentials.json", "\(service.dataDirectory)/storage/sandboxes/\(id)",
            ] {
                let reading = try await host(
                    "setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'cat \(path); ls \(path)' 2>&1")
                #expect(reading.output.contains("Permission denied") && reading.status != 0, "\(reading.output)")
                #expect(FileManager.default.fileExists(atPath: path), "control: it is there")
            }
        }
    }
}
