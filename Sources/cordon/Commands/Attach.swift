import ArgumentParser
import CordonClient

/// `cordon attach`: a command that runs already.
struct Attach: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Attaches to a command that runs.",
        discussion: """
            Shows what the command writes from now on, passes our stdin on, and ends as `cordon run` does. Of several \
            that are attached, one at a time may write.
            """)

    @OptionGroup var service: ServiceOptions
    @Option(help: "The exec's id; the sandbox's main command without.") var exec = CordonClient.mainCommand
    @Flag(help: "Only show what it writes.") var noStdin = false
    @Flag(help: "Show all that it has written, too.") var all = false
    @OptionGroup var detaching: DetachOptions
    @Argument(help: "The sandbox.") var sandbox: SandboxReference

    func run() async throws {
        let client = try service.client()
        let status = try await reporting {
            let id = try await client.identify(sandbox)
            let found = try await client.exec(exec, in: id)
            let session = LocalSession(
                client: client, exec: exec, sandbox: id, isInteractive: !noStdin, hasTerminal: found.pty != nil,
                detachKeys: detaching.keys, fromNowOn: !all, leavesStdin: noStdin)
            if found.pty != nil, found.result == nil, !noStdin { await session.redraw() }
            do { return try await finish(session) } catch is Detached { throw ExitCode.success }
        }
        try leave(with: status)
    }
}
