import ArgumentParser
import CordonAPI
import CordonClient

struct Network: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows or replaces where a running sandbox may go.",
        discussion: "Without any of the options that say where, it only prints.")

    @OptionGroup var service: ServiceOptions
    @OptionGroup var network: NetworkOptions
    @Flag(help: "Print the sandbox as JSON.") var json = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference

    func run() async throws {
        let client = try service.client()
        let found = try await reporting {
            guard let wanted = network.request else { return try await client.sandbox(sandbox) }
            return try await client.replaceNetwork(of: client.identify(sandbox), with: wanted)
        }
        if json { return try printJSON(found) }
        print(Self.text(found))
    }

    private static func text(_ sandbox: Sandbox) -> String {
        if sandbox.blockNetwork { return "blocked" }
        guard sandbox.cidrAllowlist != nil || sandbox.domainAllowlist != nil else { return "open" }
        let allowed = (sandbox.cidrAllowlist ?? []) + (sandbox.domainAllowlist ?? [])
        return allowed.isEmpty ? "nothing" : allowed.joined(separator: "\n")
    }
}
