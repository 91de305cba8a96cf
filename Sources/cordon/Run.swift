import ArgumentParser
import CordonAPI
import CordonClient
import Dispatch
import Foundation

/// `cordon run`: a sandbox for one command.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a command in a sandbox of its own.",
        discussion: """
            Ends with the command's status; 128 and the signal's number when a signal ended it; 124 when it timed out; \
            127 when it couldn't be started; 125 when Cordon failed.
            """)

    @OptionGroup var service: ServiceOptions
    @OptionGroup var sandbox: SandboxOptions
    @Option(help: "The user, a name or number, optionally with :group.") var user: String?
    @Flag(name: [.short, .long], help: "Pass our stdin on.") var interactive = false
    @Argument(parsing: .postTerminator, help: "The command and its arguments.") var argv: [String]

    /// How much longer than its command a sandbox lives, so that the command's own end is what is told.
    private static let grace: Double = 60

    func run() async throws {
        guard !argv.isEmpty else { throw ValidationError("a command belongs behind --") }
        let client = try service.client()
        let status = try await reporting {
            let lifetime = sandbox.timeout.map { min($0 + Self.grace, 86_400) }
            let made = try await client.create(sandbox.request(timeout: lifetime))
            do {
                var request = StartExecRequest(argv: argv)
                request.user = user
                request.timeoutSeconds = sandbox.timeout
                let status = try await attach(client, request, in: made.id, interactive: interactive)
                try await client.terminate(made.id)
                return status
            } catch {
                _ = try? await client.terminate(made.id)
                throw error
            }
        }
        try leave(with: status)
    }
}

/// `cordon exec`: a command in a sandbox that is there.
struct ExecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Runs a command in a sandbox that is there.")

    @OptionGroup var service: ServiceOptions
    @Option(help: "The app that a name belongs to.") var app = "default"
    @Option(name: [.long, .short], help: ArgumentHelp("A variable; KEY alone takes ours.", valueName: "KEY=value"))
    var env: [String] = []
    @Option(help: "The working directory.") var workdir: String?
    @Option(help: "Seconds until it is ended.") var timeout: Double?
    @Option(help: "The user, a name or number, optionally with :group.") var user: String?
    @Flag(name: [.short, .long], help: "Pass our stdin on.") var interactive = false
    @Argument(help: "The sandbox's id or name.") var sandbox: String
    @Argument(parsing: .postTerminator, help: "The command and its arguments.") var argv: [String]

    func run() async throws {
        guard !argv.isEmpty else { throw ValidationError("a command belongs behind --") }
        let client = try service.client()
        var request = StartExecRequest(argv: argv)
        if !env.isEmpty { request.env = try variables(env) }
        request.workdir = workdir
        request.timeoutSeconds = timeout
        request.user = user
        let started = request
        let status = try await reporting {
            try await attach(client, started, in: await client.identify(sandbox, app: app), interactive: interactive)
        }
        try leave(with: status)
    }
}

/// Starts a command, streams it, and passes SIGINT and SIGTERM on to it; five seconds later, or at
/// the second signal, it is killed.
private func attach(
    _ client: CordonClient, _ request: StartExecRequest, in id: String, interactive: Bool
) async throws -> ExitStatus {
    let (signals, source) = AsyncStream<Int32>.makeStream()
    let handlers = [SIGINT, SIGTERM].map { number in
        signal(number, SIG_IGN)
        let handler = DispatchSource.makeSignalSource(signal: number, queue: .global())
        handler.setEventHandler { source.yield(number) }
        handler.resume()
        return handler
    }
    defer { for handler in handlers { handler.cancel() } }
    let exec = try await client.start(request, in: id)
    if !interactive { _ = try? await client.writeStdin([], at: 0, eof: true, to: exec.id, in: id) }
    let forwarding = Task {
        var killer: Task<Void, any Error>?
        for await number in signals {
            if killer != nil {
                try await client.signal("KILL", to: exec.id, in: id)
                continue
            }
            try await client.signal(String(number), to: exec.id, in: id)
            killer = Task {
                try await Task.sleep(for: .seconds(5))
                try await client.signal("KILL", to: exec.id, in: id)
            }
        }
    }
    defer { forwarding.cancel() }
    let result = try await AttachedExec(client, exec: exec.id, in: id, takesStdin: interactive).run()
    guard result.reason == "terminated" else { return ExitStatus(result) }
    return ExitStatus(result, sandbox: try? await client.sandbox(id).result)
}

/// Ends this process as the command ended.
func leave(with status: ExitStatus) throws {
    if let message = status.message { say(message) }
    throw ExitCode(status.code)
}
