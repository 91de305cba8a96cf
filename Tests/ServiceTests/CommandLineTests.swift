import ServiceSupport
import Testing

/// The checks are in `Programs/cli.py`.
@Suite("The cordon command", .serialized, .timeLimit(.minutes(5)))
struct CommandLineTests {
    @Test("run prints what the command prints, and ends as it did")
    func run() async throws { try await check("cli", "run_and_its_statuses") }

    @Test("run -i passes stdin on, byte for byte")
    func interactive() async throws { try await check("cli", "run_interactively") }

    @Test("an interrupt goes to the command")
    func interrupt() async throws { try await check("cli", "interrupted") }

    @Test("create, ls, exec, inspect, logs, wait and rm take ids and names")
    func sandboxes() async throws { try await check("cli", "sandboxes_by_name") }

    @Test("run goes on through kills of the service, and no byte is lost or repeated")
    func kills() async throws {
        try await withService { service in
            async let output = service.check("cli", "killed_in_mid_stream")
            for _ in 0..<8 {
                try await Task.sleep(for: .milliseconds(500))
                service.killService()
                try await Task.sleep(for: .milliseconds(200))
                try await service.startService()
            }
            _ = try await output
        }
    }
}
