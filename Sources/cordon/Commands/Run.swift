import ArgumentParser
import CordonAPI
import CordonClient

/// `cordon run`: a sandbox for one command.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a command in a sandbox of its own.",
        discussion: """
            Ends with the command's status; 128 and the signal's number when a signal ended it; 124 when it timed out; \
            127 when it couldn't be started; 125 when Cordon failed. The sandbox goes with the command, unless \
            the detach keys are typed.
            """)

    @OptionGroup var service: ServiceOptions
    @OptionGroup var sandbox: SandboxOptions
    @OptionGroup var attaching: AttachOptions
    @Option(help: "The user, a name or number, optionally with :group.") var user: String?
    @Argument(parsing: .postTerminator, help: "The command and its arguments.") var argv: [String]

    /// How much longer than its command a sandbox lives, so that the command's own end is what is told.
    private static let grace: Double = 60

    func run() async throws {
        guard !argv.isEmpty else { throw ValidationError("a command belongs behind --") }
        let client = try service.client()
        let lifetime = sandbox.timeout.map { min($0 + Self.grace, 86_400) }
        let made = try sandbox.request(timeout: lifetime)
        let status = try await reporting {
            let created = try await client.create(made)
            warnOfChangedHost(created)
            let id = created.id
            do {
                var request = StartExecRequest(argv: argv)
                request.user = user
                request.timeoutSeconds = sandbox.timeout
                request.pty = attaching.request
                let status = try await start(request, on: client, in: id, attaching)
                try await client.terminate(id)
                return status
            } catch is Detached {
                print("\n\(id)")
                throw ExitCode.success
            } catch {
                _ = try? await client.terminate(id)
                throw error
            }
        }
        try leave(with: status)
    }
}

/// `cordon exec`: a command in a sandbox that is there.
struct ExecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Runs a command in a sandbox that is there.",
        discussion: "Ends as `cordon run` does.")

    @OptionGroup var service: ServiceOptions
    @Option(name: [.long, .short], help: ArgumentHelp("A variable; KEY alone takes ours.", valueName: "KEY=value"))
    var env: [String] = []
    @Option(help: ArgumentHelp("A secret whose variables it gets; may be repeated.", valueName: "name"))
    var secret: [String] = []
    @Option(help: "The working directory.") var workdir: String?
    @Option(help: "Seconds until it is ended.") var timeout: Double?
    @Option(help: "The user, a name or number, optionally with :group.") var user: String?
    @OptionGroup var attaching: AttachOptions
    @Argument(help: "The sandbox.") var sandbox: SandboxReference
    @Argument(parsing: .postTerminator, help: "The command and its arguments.") var argv: [String]

    func run() async throws {
        guard !argv.isEmpty else { throw ValidationError("a command belongs behind --") }
        let client = try service.client()
        var request = StartExecRequest(argv: argv)
        if !env.isEmpty { request.env = try variables(env) }
        if !secret.isEmpty { request.secrets = secret.map { .stored($0) } }
        request.workdir = workdir
        request.timeoutSeconds = timeout
        request.user = user
        request.pty = attaching.request
        let wanted = request
        let status = try await reporting {
            do {
                return try await start(wanted, on: client, in: client.identify(sandbox), attaching)
            } catch is Detached {
                throw ExitCode.success
            }
        }
        try leave(with: status)
    }
}

/// Starts a command and streams it to its end.
private func start(
    _ request: StartExecRequest, on client: CordonClient, in id: String, _ attaching: AttachOptions
) async throws -> ExitStatus {
    let exec: Exec
    do { exec = try await client.start(request, in: id) } catch ClientError.refused(let problem)
        where problem.field?.hasPrefix("argv") == true
    {
        return ExitStatus(notStarted: problem)
    }
    return try await finish(attaching.session(client, exec: exec.id, in: id))
}

/// Streams a command to its end, and tells what that means to the shell.
func finish(_ session: LocalSession) async throws -> ExitStatus {
    let result: EndResult
    do { result = try await session.run() } catch is Detached {
        say("detached; `cordon attach \(session.sandbox) --exec \(session.exec)` goes on")
        throw Detached()
    }
    guard result.reason == "terminated" else { return ExitStatus(result) }
    return ExitStatus(result, sandbox: try? await session.client.sandbox(.id(session.sandbox)).result)
}
