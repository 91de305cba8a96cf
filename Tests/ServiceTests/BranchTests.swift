import Foundation
import ServiceSupport
import Testing

/// A command in several copies of a sandbox; the checks are in `Programs/branches.py`.
@Suite("Branches", .serialized)
struct BranchTests {
    @Test("eight branches go each its own way, and are told apart by what they wrote and changed")
    func all() async throws { try await check("branches", "all_of_them") }

    @Test("the first success ends the others, and goes on")
    func firstSuccess() async throws { try await check("branches", "first_success") }

    @Test("branches that succeed become images")
    func snapshots() async throws { try await check("branches", "snapshots") }

    @Test("the command line shows a table, and ends as the branches ended")
    func commandLine() async throws { try await check("branches", "command_line_table") }

    @Test("what can't be is refused by field, and a client that leaves leaves nothing")
    func refusals() async throws { try await check("branches", "refusals") }

    @Test(
        "a service that is killed while branches run goes on with them when they are asked for again, and orphans none")
    func killed() async throws {
        try await withService { service in
            async let checked: Void = { _ = try await service.check("branches", "killed") }()
            for _ in 0..<4 {
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...1200)))
                service.killService()
                try await service.startService()
            }
            try await checked
            #expect(service.slots().filter { !$0.sandbox.isEmpty }.count == 1, "the parent alone is left")
        }
    }
}
