import Foundation
import ProgramSupport
import ServiceSupport

/// Something that a sandbox could have left behind, made on purpose.
struct PlantedLeak {
    /// How the census names it.
    let item: String
    let plant: () async throws -> Void
    let remove: () async throws -> Void

    private static func must(_ path: String, _ arguments: [String]) async throws {
        let (status, output) = try await ServiceInstance.program(path, arguments)
        guard status == 0 else { throw ServiceInstance.Unavailable("\(path) \(arguments): \(output)") }
    }

    static func all(_ service: ServiceInstance, _ instance: Instance) throws -> [PlantedLeak] {
        guard let block = instance.blocks.first, let launcher = service.launcherPID else {
            throw ServiceInstance.Unavailable("the instance has no ids or no launcher")
        }
        // A range of its ids that no sandbox has.
        let user = 0x7000_0000 + (block * 64 + 60) * 65_536
        let groups = ["memory", "pids", "unified"].map { "/sys/fs/cgroup/\($0)/\(instance.group)" }
            .filter { FileManager.default.fileExists(atPath: $0) }
        return processes(user, groups) + mounts(instance, launcher)
            + groups.map { group("\($0)/m00leaked0000", instance) }
            + [descriptor("launcher", instance.runDirectory + "/launcher.sock"), connection(service)]
            + files(instance, user) + [interface(instance)]
    }

    private static func holder(_ item: String, _ arguments: [String], group: String?) -> PlantedLeak {
        nonisolated(unsafe) var process: HostProgram?
        return PlantedLeak(item: item) {
            let started = try HostProgram("/usr/bin/env", arguments)
            process = started
            if let group {
                try "\(started.pid)".write(
                    toFile: group + "/cgroup.procs", atomically: false, encoding: .utf8)
            }
            // Until it is what it becomes.
            while text(of: "/proc/\(started.pid)/comm") != "sleep\n" {
                guard started.isRunning else { throw ServiceInstance.Unavailable("\(arguments) ended") }
                try await Task.sleep(for: .milliseconds(5))
            }
        } remove: {
            process?.kill(SIGKILL)
            process?.wait()
        }
    }

    private static func processes(_ user: UInt32, _ groups: [String]) -> [PlantedLeak] {
        let ids = ["setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups"]
        // keyctl(2) to a session keyring of its own, which goes with the process (a user's default one
        // stays for ever), add_key(2) into it, then nothing.
        let key = """
            import ctypes, os
            ctypes.CDLL(None).syscall(250, 1, None)
            ctypes.CDLL(None).syscall(248, b"user", b"leak", b"x", 1, -3)
            os.execvp("sleep", ["sleep", "1000"])
            """
        return [
            holder("process sleep", ["sleep", "1000"], group: groups.first),
            holder("process sleep", ids + ["sleep", "1000"], group: nil),
            holder("namespace net", ["unshare", "-n", "sleep", "1000"], group: groups.last),
            holder("interface inside lo", ["unshare", "-n", "sleep", "1000"], group: groups.last),
            holder("namespace mnt", ["unshare", "-m", "sleep", "1000"], group: groups.last),
            holder("key of a sandbox's user", ids + ["/usr/bin/python3", "-c", key], group: nil),
        ]
    }

    private static func mounts(_ instance: Instance, _ launcher: pid_t) -> [PlantedLeak] {
        let point = instance.directory
        return [
            PlantedLeak(item: "mount on the host") {
                try await must("/usr/bin/mount", ["-t", "tmpfs", "leak", point + "/data/service"])
            } remove: {
                try await must("/usr/bin/umount", [point + "/data/service"])
            },
            PlantedLeak(item: "mount of launcher") {
                try await must(
                    "/usr/bin/nsenter",
                    ["-m", "-t", "\(launcher)", "mount", "-t", "tmpfs", "leak", instance.storage + "/slots"])
            } remove: {
                try await must("/usr/bin/nsenter", ["-m", "-t", "\(launcher)", "umount", instance.storage + "/slots"])
            },
        ]
    }

    private static func group(_ path: String, _ instance: Instance) -> PlantedLeak {
        PlantedLeak(item: "cgroup \(instance.plain(path))") {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        } remove: {
            rmdir(path)
        }
    }

    /// A connection that its peer keeps open is a descriptor of its peer's.
    private static func descriptor(_ role: String, _ path: String) -> PlantedLeak {
        holderProgram(
            "descriptor of \(role) socket:",
            "import socket,sys,time;s=socket.socket(socket.AF_UNIX);s.connect('\(path)')")
    }

    private static func connection(_ service: ServiceInstance) -> PlantedLeak {
        let port = service.url.split(separator: ":").last ?? ""
        return holderProgram(
            "descriptor of cordond socket:", "import socket,time;s=socket.create_connection(('127.0.0.1',\(port)))")
    }

    private static func holderProgram(_ item: String, _ program: String) -> PlantedLeak {
        nonisolated(unsafe) var process: HostProgram?
        return PlantedLeak(item: item) {
            process = try HostProgram("/usr/bin/python3", ["-c", program + ";import time;time.sleep(1000)"])
        } remove: {
            process?.kill(SIGKILL)
            process?.wait()
        }
    }

    private static func files(_ instance: Instance, _ user: UInt32) -> [PlantedLeak] {
        let own = ["/tmp/leak-\(instance.id)", "/dev/shm/leak-\(instance.id)"].map { path in
            file(path, "file \(path)") { chown(path, user, user) }
        }
        return own + [
            file(instance.storage + "/slots/m00leaked0000", "file …/data/storage/slots/m*"),
            file(instance.storage + "/sandboxes/sb-00000000000000000000000000", "file …/data/storage/sandboxes/sb-*"),
            file(instance.runDirectory + "/slots/m00leaked0000", "file …/run/slots/m*"),
        ]
    }

    private static func file(_ path: String, _ item: String, then: @escaping () -> Void = {}) -> PlantedLeak {
        PlantedLeak(item: item) {
            mkdir(path, 0o700)
            then()
        } remove: {
            rmdir(path)
        }
    }

    private static func interface(_ instance: Instance) -> PlantedLeak {
        PlantedLeak(item: "interface br-\(instance.id)") {
            try await must("/usr/sbin/ip", ["link", "add", "br-\(instance.id)", "type", "bridge"])
        } remove: {
            try await must("/usr/sbin/ip", ["link", "del", "br-\(instance.id)"])
        }
    }
}
