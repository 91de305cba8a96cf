import Foundation
import ServiceSupport
import Testing

/// Terminals through Python's `requests`; the checks are in `Programs/terminals.py`.
@Suite("Terminals", .serialized, .timeLimit(.minutes(5)))
struct TerminalTests {
    @Test("a program finds a terminal of the size and type that were asked for, and it is its own")
    func seen() async throws { try await check("terminals", "what_programs_see") }

    @Test("a terminal belongs to the user of its exec, and opens by name and as /dev/tty for nobody else")
    func users() async throws { try await check("terminals", "users_own_their_terminal") }

    @Test("a main command has a terminal too")
    func main() async throws { try await check("terminals", "main_command") }

    @Test("a resize changes the size, and is told by SIGWINCH")
    func resizing() async throws { try await check("terminals", "resizing") }

    @Test("Ctrl-C, Ctrl-Z, fg and background reads do in a shell what they do in any terminal")
    func jobControl() async throws { try await check("terminals", "job_control") }

    @Test("what is pasted arrives whole: random bytes in raw mode, lines in the canonical one")
    func pasted() async throws { try await check("terminals", "pasted_whole") }

    @Test("input that nobody reads is held back, and costs nothing meanwhile")
    func heldBack() async throws { try await check("terminals", "held_back_by_nobody_reading") }

    @Test("10 MB of random bytes come out as they were, and the last words of a program before its end")
    func output() async throws { try await check("terminals", "ten_megabytes_of_output") }

    @Test("the end of input is typed, so that a reader sees it, also behind half a line")
    func endsOfInput() async throws { try await check("terminals", "ends_of_input") }

    @Test("a terminal is hung up with its exec, its sandbox, or when nobody holds it any more")
    func hangUp() async throws { try await check("terminals", "hang_up") }

    @Test("when a sandbox has all its terminals, one more is refused by type; all are given back")
    func exhaustion() async throws { try await check("terminals", "all_in_use") }

    @Test("a session goes on while the service is killed and started again, resizes too")
    func restarts() async throws {
        try await withService { service in
            let control = service.directory + "/control"
            try FileManager.default.createDirectory(atPath: control, withIntermediateDirectories: true)
            let session = Task { try await service.check("terminals", "session_across_restarts", [control]) }
            for _ in 0..<1500 where !FileManager.default.fileExists(atPath: control + "/ready") {
                try await Task.sleep(for: .milliseconds(20))
            }
            for _ in 0..<5 {
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...500)))
                service.killService()
                try await service.startService()
            }
            makeEmptyFile(at: control + "/stop")
            #expect(try await Int(session.value.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0 > 5)
        }
    }
}
