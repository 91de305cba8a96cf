import ServiceSupport
import Testing

/// The checks are in `Programs/interactive.py`.
@Suite("The cordon command on a terminal", .serialized, .timeLimit(.minutes(5)))
struct InteractiveTests {
    @Test("a session has a terminal of our size, also when that changes")
    func session() async throws { try await check("interactive", "a_session") }

    @Test("Ctrl-C, Ctrl-Z, fg and Ctrl-\\ work on what runs inside")
    func jobControl() async throws { try await check("interactive", "keys_of_job_control") }

    @Test("vim writes a file, and top is left with q")
    func screens() async throws { try await check("interactive", "editors_and_screens") }

    @Test("a paste of 100 KB arrives whole")
    func paste() async throws { try await check("interactive", "a_paste_of_100_kilobytes") }

    @Test("a session goes on through kills of the service, and each line is answered once")
    func kills() async throws {
        try await duringKills { try await $0.check("interactive", "answers_through_restarts") }
    }

    @Test("the detach keys leave a command running, and attach goes on with it")
    func detaching() async throws { try await check("interactive", "detach_keys") }

    @Test("the terminal's modes are what they were, however it ends")
    func modes() async throws { try await check("interactive", "modes_are_restored") }

    @Test("stopped from outside it gives the terminal back, and takes it again")
    func stopping() async throws { try await check("interactive", "stopped_from_outside") }

    @Test("without -t signals go to the command, and the third interrupt kills it")
    func withoutTerminal() async throws { try await check("interactive", "without_our_terminal") }
}
