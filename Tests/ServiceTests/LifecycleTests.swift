import ServiceSupport
import Testing

/// The checks are in `Programs/lifecycle.py`.
@Suite("The life of sandboxes and execs", .serialized, .timeLimit(.minutes(5)))
struct LifecycleTests {
    @Test("of thirty creates with one name exactly one succeeds")
    func names() async throws { try await check("lifecycle", "one_of_thirty_gets_the_name") }

    @Test("lists are filtered by app, tags and state, newest first, page by page")
    func lists() async throws { try await check("lifecycle", "tags_and_cursors") }

    @Test("lifetimes and idle timeouts fire, and can be changed")
    func timeouts() async throws { try await check("lifecycle", "timeouts_are_typed") }

    @Test("an exec's timeout kills everything that it started, double forks included")
    func execTimeout() async throws { try await check("lifecycle", "exec_timeout_kills_all_it_started") }

    @Test("a process that is killed for its memory ends as out of memory")
    func outOfMemory() async throws { try await check("lifecycle", "out_of_memory_is_typed") }

    @Test("a fork bomb disturbs nobody, and its sandbox can be terminated")
    func forkBomb() async throws { try await check("lifecycle", "fork_bomb_is_contained") }

    @Test("when a sandbox has no more processes an exec says so, and starts once there is room")
    func pids() async throws { try await check("lifecycle", "no_more_processes") }

    @Test("the main command's end is the sandbox's, with its status, signal and output")
    func mainCommand() async throws { try await check("lifecycle", "main_command_is_the_sandboxes_life") }

    @Test("signals reach the command")
    func signals() async throws { try await check("lifecycle", "signals_arrive") }

    @Test("waits answer at the end, or with null in time")
    func waits() async throws { try await check("lifecycle", "waits_are_long_polls") }

    @Test("a sandbox is terminated once however often it is asked; what is over is refused")
    func termination() async throws { try await check("lifecycle", "terminated_once_for_all") }

    @Test("events tell everything, in order, also while it happens")
    func events() async throws { try await check("lifecycle", "events_in_order") }

    @Test("user, group, variables, working directory and arguments are what was asked for")
    func surroundings() async throws { try await check("lifecycle", "who_where_and_with_what") }

    @Test("a missing program, directory or user is refused by name and leaves nothing")
    func failedStarts() async throws { try await check("lifecycle", "cannot_be_started") }

    @Test("a repeated request is recognised by its key, a repeated exec by its id")
    func repeats() async throws { try await check("lifecycle", "repeats_are_recognised") }

    @Test("an idle service keeps few sandboxes prepared, and more once one is started")
    func idlePool() async throws {
        let options = ["--pool-size", "6", "--pool-idle-size", "1", "--pool-idle-seconds", "2"]
        try await withService(options: options) { service in
            func comesToHold(_ count: Int) async throws -> Bool {
                for _ in 0..<300 {
                    if service.slots().filter(\.sandbox.isEmpty).count == count { return true }
                    try await Task.sleep(for: .milliseconds(50))
                }
                return false
            }
            #expect(try await comesToHold(1), "\(service.slots())")
            let id = try await service.create()
            #expect(try await comesToHold(6), "\(service.slots())")
            #expect(try await service.run(["echo", "fine"], in: id).stdout == "fine\n")
            #expect(try await comesToHold(1), "\(service.slots())")
        }
    }

    @Test("an ended sandbox is forgotten after its time")
    func retention() async throws {
        try await check("lifecycle", "forgotten_after_its_time", service: ["--retention-seconds", "2"])
    }
}

/// The checks are in `Programs/bad_input.py`.
@Suite("Bad input", .serialized, .timeLimit(.minutes(5)))
struct BadInputTests {
    @Test(
        "gets one problem document that names the field, and changes nothing",
        arguments: ["creates", "execs_and_streams", "things_that_are_not_there", "tokens"])
    func refused(what: String) async throws { try await check("bad_input", what) }

    @Test("clients that vanish in the middle of anything disturb nothing")
    func vanishing() async throws { try await check("bad_input", "clients_that_vanish") }
}
