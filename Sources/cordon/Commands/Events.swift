import ArgumentParser
import CordonAPI
import CordonClient
import NIOCore

struct Events: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Prints what has happened to a sandbox.")

    @OptionGroup var service: ServiceOptions
    @Flag(name: [.short, .long], help: "Go on until the sandbox is over.") var follow = false
    @Option(help: ArgumentHelp("Only events with a higher number.", valueName: "number")) var after = 0
    @Flag(help: "As JSON, one event on a line.") var json = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference

    func run() async throws {
        let client = try service.client()
        try await reporting {
            let id = try await client.identify(sandbox)
            if follow {
                try await client.followEvents(of: id, after: after) { try await show($0) }
            } else {
                for event in try await client.events(of: id, after: after) { try await show(event) }
            }
        }
    }

    private func show(_ event: Event) async throws {
        let evidence = event.result.map { result in
            [
                result.reason, result.exitCode.map { "status \($0)" }, result.signal.map { SignalName.name($0) },
                result.detail,
            ]
            .compactMap(\.self).joined(separator: ", ")
        }
        let words = ["\(event.number)", "\(event.at)", event.kind, event.execID, evidence ?? event.detail]
        let line = json ? try JSONText.encode(event) : Array(words.compactMap(\.self).joined(separator: "  ").utf8)
        // At once: what is followed is read as it comes, through pipes as well.
        try await LocalOutput.write(ByteBuffer(bytes: line + [10]), to: .stdout)
    }
}
