import Foundation
import Glibc
import ServiceSupport
import Testing

/// Disks of sandboxes' own, and the reserve; the checks are in `Programs/disks.py`.
@Suite("Disks", .serialized)
struct DiskTests {
    @Test("a sandbox at its limit of bytes or files sees ENOSPC, can be kept, and is nobody else's matter")
    func limits() async throws { try await check("disks", "limits") }

    @Test("a disk outlives service and launcher, and holds its sandbox to its size")
    func killed() async throws {
        try await withService { service in
            let program = Process()
            program.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
            program.arguments = ["-B", try ServiceInstance.path(ofProgram: "disks"), "killed"]
            program.environment = service.clientEnvironment
            let (words, answers) = (Pipe(), Pipe())
            program.standardOutput = words
            program.standardError = words
            program.standardInput = answers
            try program.run()
            // Waits until the sandbox is there.
            var line = Data()
            while line.last != UInt8(ascii: "\n") {
                let more = words.fileHandleForReading.availableData
                if more.isEmpty { break }
                line += more
            }
            #expect(String(decoding: line, as: UTF8.self) == "ready\n")
            for _ in 0..<2 {
                if let launcher = service.launcherPID { Glibc.kill(launcher, SIGKILL) }
                service.killService()
                try await service.startService()
            }
            try answers.fileHandleForWriting.write(contentsOf: Data("\n".utf8))
            let said = try words.fileHandleForReading.readToEnd() ?? Data()
            program.waitUntilExit()
            #expect(program.terminationStatus == 0, "\(String(decoding: said, as: UTF8.self))")
        }
    }

    @Test("with a default every sandbox has a disk, and what is built has the room that it takes")
    func usual() async throws {
        try await check("disks", "usual", service: ["--default-disk-mib", "48", "--pool-size", "2"])
    }

    @Test("a limit that can't be held to is refused")
    func impossible() async throws {
        // A file without the right to execute it in the program's place, in a mount namespace of the service's.
        let hide =
            "for p in /usr/sbin/mke2fs /sbin/mke2fs /usr/local/sbin/mke2fs; do "
            + "[ ! -e $p ] || mount --bind /etc/passwd $p; done; exec \"$@\""
        try await withService(through: ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", hide, "sh"]) { service in
            try await service.check("disks", "impossible")
        }
    }

    @Test("at the disk's reserve writers stand still, others don't, and all go on once there is room")
    func reserve() async throws { try await check("disks", "reserve") }
}
