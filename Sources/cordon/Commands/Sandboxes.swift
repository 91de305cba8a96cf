import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Creates a sandbox and prints its id.",
        discussion: "With a command behind --, that is its main command: the sandbox ends with it.")

    @OptionGroup var service: ServiceOptions
    @OptionGroup var sandbox: SandboxOptions
    @Option(
        help: ArgumentHelp(
            "The sandbox whose network and lifetime it shares; needs --name.", valueName: "sandbox"))
    var sidecarOf: SandboxReference?
    @Flag(name: [.customShort("t"), .customLong("tty")], help: "Give the main command a terminal.") var terminal = false
    @Flag(help: "Print the sandbox as JSON.") var json = false
    @Argument(parsing: .postTerminator, help: "The main command and its arguments.") var argv: [String] = []

    func run() async throws {
        let client = try service.client()
        var request = try sandbox.request(timeout: sandbox.timeout)
        if !argv.isEmpty { request.argv = argv }
        if terminal {
            let size = LocalTerminal.size()
            request.pty = TerminalRequest(rows: size?.rows, cols: size?.columns)
        }
        let wanted = request
        let made = try await reporting {
            guard let sidecarOf else { return try await client.create(wanted) }
            return try await client.create(wanted, besides: client.identify(sidecarOf))
        }
        warnOfChangedHost(made)
        if json { try printJSON(made) } else { print(made.id) }
    }
}

/// Says so where a sandbox lies on another `/usr` than the one that its image was made on.
func warnOfChangedHost(_ sandbox: Sandbox) {
    guard sandbox.imageHostChanged == true else { return }
    say("the host's /usr has changed since image \(sandbox.image) was made on it")
}

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "Lists sandboxes, newest first.")

    @OptionGroup var service: ServiceOptions
    @Flag(help: "Those that are over, too.") var all = false
    @Flag(name: [.short, .long], help: "Only ids.") var quiet = false
    @Flag(help: "As JSON, one sandbox on a line.") var json = false
    @Option(help: "Only of this app.") var app: String?
    @Option(help: ArgumentHelp("Only with this tag; may be repeated.", valueName: "key=value")) var tag: [String] = []
    @Option(help: ArgumentHelp("The sidecars of this sandbox, which aren't listed otherwise.", valueName: "sandbox"))
    var sidecarsOf: SandboxReference?

    func validate() throws {
        guard sidecarsOf == nil || app == nil && tag.isEmpty else {
            throw ValidationError("--sidecars-of goes without --app and --tag")
        }
    }

    func run() async throws {
        let client = try service.client()
        var parameters = tag.map { ("tag", $0) }
        if let app { parameters.append(("app", app)) }
        if !all { parameters.append(("state", "running")) }
        if !json, !quiet { print(row("ID", "APP", "NAME", "STATE", "CREATED")) }
        var main: String?
        if let sidecarsOf { main = try await reporting { try await client.identify(sidecarsOf) } }
        let besides = main
        var cursor: String?
        repeat {
            let asked = parameters + (cursor.map { [("cursor", $0)] } ?? [])
            let page = try await reporting { try await client.sandboxes(asked, besides: besides) }
            for sandbox in page.sandboxes { try show(sandbox) }
            cursor = page.nextCursor
        } while cursor != nil
    }

    private func show(_ sandbox: Sandbox) throws {
        if json {
            try printJSON(sandbox)
        } else if quiet {
            print(sandbox.id)
        } else {
            let state = sandbox.result?.reason ?? sandbox.state
            print(row(sandbox.id, sandbox.app, sandbox.name ?? "-", state, "\(sandbox.createdAt)"))
        }
    }

    private func row(_ columns: String...) -> String {
        zip(columns, [29, 16, 24, 16, 0]).map { $0.padding(toLength: max($1, $0.count), withPad: " ", startingAt: 0) }
            .joined(separator: "  ")
    }
}

struct Inspect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints all there is to know of a sandbox, or of an exec, as JSON.")

    @OptionGroup var service: ServiceOptions
    @Option(help: "The exec's id.") var exec: String?
    @Flag(help: "On one line.") var json = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference

    func run() async throws {
        let client = try service.client()
        if let exec {
            let found = try await reporting { try await client.exec(exec, in: client.identify(sandbox)) }
            try printJSON(found, forPeople: !json)
        } else {
            let found = try await reporting { try await client.sandbox(sandbox) }
            try printJSON(found, forPeople: !json)
        }
    }
}

struct Wait: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Waits for the end of a sandbox, or of an exec, and ends as it did.")

    @OptionGroup var service: ServiceOptions
    @Option(help: "The exec's id.") var exec: String?
    @Flag(help: "Only until it is ready, as its probe says.") var ready = false
    @Flag(help: "Print the end as JSON.") var json = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference

    func run() async throws {
        let client = try service.client()
        if ready { return try await reporting { try await client.waitReady(client.identify(sandbox)) } }
        let result = try await reporting {
            let id = try await client.identify(sandbox)
            guard let exec else { return try await client.wait(for: id) }
            return try await client.wait(for: exec, in: id)
        }
        if json { try printJSON(result) }
        try leave(with: ExitStatus(result))
    }
}

struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Ends sandboxes.", discussion: "Ends with 1 when one of them couldn't be ended.")

    @OptionGroup var service: ServiceOptions
    @Flag(help: "Print each as JSON, on a line.") var json = false
    @Argument(help: "The sandboxes.") var sandboxes: [SandboxReference]

    func run() async throws {
        let client = try service.client()
        var failed = false
        for sandbox in sandboxes {
            do {
                let ended = try await client.terminate(client.identify(sandbox))
                if json { try printJSON(ended) } else { print(ended.id) }
            } catch {
                say("\(sandbox): \(error)")
                failed = true
            }
        }
        if failed { throw ExitCode.failure }
    }
}
