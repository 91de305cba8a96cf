import ArgumentParser
import CordonAPI
import CordonClient

struct Tunnels: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints where a sandbox's ports are reached.",
        discussion: "One on a line: the port inside, its type, and the URL outside.")

    @OptionGroup var service: ServiceOptions
    @Flag(help: "As JSON, one tunnel on a line.") var json = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference

    func run() async throws {
        let client = try service.client()
        let tunnels = try await reporting { try await client.tunnels(of: client.identify(sandbox)) }
        for tunnel in tunnels {
            if json { try printJSON(tunnel) } else { print("\(tunnel.containerPort) \(tunnel.type) \(tunnel.url)") }
        }
    }
}
