import Foundation
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

    @Test("pipes carry any bytes, both ways, and may be closed early")
    func pipes() async throws { try await check("cli", "pipes") }

    @Test("cp copies files and directories both ways, and what comes out of a sandbox does no harm")
    func copies() async throws { try await check("cli", "copies") }

    @Test("edit replaces what an editor has changed")
    func edits() async throws { try await check("cli", "edits") }

    @Test("logs prints what was written: all of it, the last lines, since a time, with times, as JSON")
    func logs() async throws { try await check("cli", "logs_in_all_forms") }

    @Test("tag, set-timeout, events and wait do and say what they should")
    func changes() async throws { try await check("cli", "changes") }

    @Test("ports are asked for, waited for and reached: tunnels, wait --ready, ca")
    func ports() async throws { try await check("cli", "ports_and_readiness") }

    @Test("mount and unmount show images and empty directories")
    func mounts() async throws { try await check("cli", "mounts") }

    @Test("bench measures, and leaves nothing")
    func measures() async throws { try await check("cli", "measures") }

    @Test("jq reads what --json prints, of every command")
    func json() async throws { try await check("cli", "json_everywhere") }

    @Test("options go before the environment, and that before the user's file; config tells, and shows no secret")
    func configuration() async throws {
        try await withService { service in
            try await service.check("cli", "configuration", [service.directory])
        }
    }

    @Test("the completion scripts parse, and names of sandboxes are completed")
    func completion() async throws { try await check("cli", "completion") }

    @Test("docs/CLI.md has every command and option")
    func documentation() async throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/CLI.md").path
        try await check("cli", "documented", [page])
    }

    @Test("run goes on through kills of the service, and no byte is lost or repeated")
    func kills() async throws { try await duringKills { try await $0.check("cli", "killed_in_mid_stream") } }

    @Test("logs -f goes on through kills of the service")
    func logsThroughKills() async throws {
        try await duringKills { try await $0.check("cli", "logs_through_restarts") }
    }
}

/// Runs `work` while the service is killed and started again, eight times in about six seconds.
func duringKills(_ work: @escaping @Sendable (ServiceInstance) async throws -> Void) async throws {
    try await withService { service in
        async let output: Void = work(service)
        for _ in 0..<8 {
            try await Task.sleep(for: .milliseconds(500))
            service.killService()
            try await Task.sleep(for: .milliseconds(200))
            try await service.startService()
        }
        try await output
    }
}
