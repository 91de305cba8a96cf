import Foundation
import Glibc
import ProgramSupport
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
            let (words, answers) = (try ProgramPipe(), try ProgramPipe())
            let program = try HostProgram(
                "/usr/bin/python3", ["-B", try ServiceInstance.path(ofProgram: "disks"), "killed"],
                environment: service.clientEnvironment, input: answers.reading, output: words.writing)
            words.closeWriting()
            answers.closeReading()
            // Waits until the sandbox is there.
            #expect(words.readLine() == "ready\n")
            for _ in 0..<2 {
                if let launcher = service.launcherPID { Glibc.kill(launcher, SIGKILL) }
                service.killService()
                try await service.startService()
            }
            answers.write("\n")
            let said = String(decoding: words.readToEnd(), as: UTF8.self)
            #expect(program.wait() == 0, "\(said)")
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
