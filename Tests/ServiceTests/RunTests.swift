import Foundation
import ServiceSupport
import Testing

/// The checks are in `Programs/run.py`.
@Suite("Runs", .serialized, .timeLimit(.minutes(5)))
struct RunTests {
    @Test(
        "a program goes in, its result and files come out",
        arguments: [
            "languages_and_commands", "errors_of_the_program_are_results", "files_in_and_out", "a_thousand_files",
        ])
    func results(what: String) async throws { try await check("run", what) }

    @Test("a bad request is refused by its field, and leaves nothing")
    func refused() async throws { try await check("run", "bad_requests_name_the_field") }

    @Test("output is streamed as it comes", arguments: ["streamed", "much_output_streamed"])
    func streams(what: String) async throws { try await check("run", what) }

    @Test("a run ends with its client, unless it is detached", arguments: ["detached", "client_leaves"])
    func clients(what: String) async throws { try await check("run", what) }

    @Test("a repeat under a key has the same outcome")
    func keys() async throws { try await check("run", "repeated_with_a_key") }

    @Test("the examples do what they show")
    func examples() async throws {
        // Beside the tests' sources, at the top of the repository.
        let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        try await check("run", "examples", [top.appendingPathComponent("examples").path])
    }

    @Test("a service that is killed ends the runs of clients that are gone, and goes on with the others")
    func killed() async throws {
        try await withService { service in
            let control = service.directory + "/control"
            try FileManager.default.createDirectory(atPath: control, withIntermediateDirectories: false)
            async let output = service.check("run", "survives", [control])
            while !FileManager.default.fileExists(atPath: control + "/kill") {
                try await Task.sleep(for: .milliseconds(50))
            }
            service.killService()
            try await service.startService()
            _ = try await output
        }
    }
}
