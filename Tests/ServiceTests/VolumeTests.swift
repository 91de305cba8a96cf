import Foundation
import ServiceSupport
import Testing

/// Volumes through REST and the command line; the checks are in `Programs/volumes.py`.
@Suite("Volumes", .serialized)
struct VolumeTests {
    @Test("a sandbox sees the volume of its start or its last reload, and its own writes")
    func basics() async throws { try await check("volumes", "basics") }

    @Test("what is written is published while the sandbox runs, and when it ends")
    func background() async throws { try await check("volumes", "background") }

    @Test("the last writer of each file wins, and nothing that others have added is lost")
    func conflicts() async throws { try await check("volumes", "conflicts") }

    @Test("sandboxes write, commit, reload and end in any order as a model says", arguments: [1, 2])
    func model(_ seed: Int) async throws { try await check("volumes", "model", ["\(seed)", "60"]) }

    @Test("kills of service and launcher in between leave what the model says")
    func kills() async throws {
        try await withService { service in
            async let checked: Void = { _ = try await service.check("volumes", "model", ["3", "40"]) }()
            for round in 0..<8 {
                try await Task.sleep(for: .milliseconds(Int.random(in: 300...900)))
                if round % 2 == 0 {
                    service.killService()
                    try await service.startService()
                } else if let launcher = service.launcherPID {
                    kill(launcher, SIGKILL)
                }
            }
            try await checked
        }
    }

    @Test("files are read and changed from outside, each call at once or not at all")
    func outside() async throws { try await check("volumes", "outside") }

    @Test("what can't be is refused: deletion while used, reloading what is open, paths that are none")
    func refusals() async throws { try await check("volumes", "refusals") }

    @Test("a socket or FIFO in a volume connects nothing")
    func sockets() async throws { try await check("volumes", "sockets") }

    @Test("50,000 files and many commits stay quick")
    func many() async throws { try await check("volumes", "many") }

    @Test("the command line makes, fills, reads, mounts and deletes volumes")
    func commandLine() async throws { try await check("volumes", "command_line") }
}
