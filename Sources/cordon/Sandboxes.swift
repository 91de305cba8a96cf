import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Creates a sandbox and prints its id.")

    @OptionGroup var service: ServiceOptions
    @OptionGroup var sandbox: SandboxOptions
    @Argument(parsing: .postTerminator, help: "The main command, with whose end the sandbox ends.") var argv: [String] =
        []

    func run() async throws {
        let client = try service.client()
        var request = try sandbox.request(timeout: sandbox.timeout)
        if !argv.isEmpty { request.argv = argv }
        let wanted = request
        print(try await reporting { try await client.create(wanted) }.id)
    }
}

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "Lists sandboxes, newest first.")

    @OptionGroup var service: ServiceOptions
    @Flag(help: "Those that are over, too.") var all = false
    @Flag(help: "As JSON, one sandbox on a line.") var json = false
    @Option(help: "Only of this app.") var app: String?
    @Option(help: ArgumentHelp("Only with this tag; may be repeated.", valueName: "key=value")) var tag: [String] = []

    func run() async throws {
        let client = try service.client()
        var parameters = tag.map { ("tag", $0) }
        if let app { parameters.append(("app", app)) }
        if !all { parameters.append(("state", "running")) }
        if !json { print(row("ID", "APP", "NAME", "STATE", "CREATED")) }
        var cursor: String?
        repeat {
            let asked = parameters + (cursor.map { [("cursor", $0)] } ?? [])
            let page = try await reporting { try await client.sandboxes(asked) }
            for sandbox in page.sandboxes {
                if json {
                    print(String(decoding: try JSONText.encode(sandbox), as: UTF8.self))
                } else {
                    let state = sandbox.result?.reason ?? sandbox.state
                    print(row(sandbox.id, sandbox.app, sandbox.name ?? "-", state, "\(sandbox.createdAt)"))
                }
            }
            cursor = page.nextCursor
        } while cursor != nil
    }

    private func row(_ columns: String...) -> String {
        zip(columns, [29, 16, 24, 16, 0]).map { $0.padding(toLength: max($1, $0.count), withPad: " ", startingAt: 0) }
            .joined(separator: "  ")
    }
}

struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rm", abstract: "Ends sandboxes.")

    @OptionGroup var service: ServiceOptions
    @Option(help: "The app that names belong to.") var app = "default"
    @Argument(help: "Ids or names.") var sandboxes: [String]

    func run() async throws {
        let client = try service.client()
        var failed = false
        for sandbox in sandboxes {
            do {
                let id = try await client.identify(sandbox, app: app)
                try await client.terminate(id)
                print(id)
            } catch {
                say("\(sandbox): \(error)")
                failed = true
            }
        }
        if failed { throw ExitCode.failure }
    }
}

struct Inspect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Prints all there is to know of a sandbox, as JSON.")

    @OptionGroup var service: ServiceOptions
    @Option(help: "The app that a name belongs to.") var app = "default"
    @Argument(help: "The sandbox's id or name.") var sandbox: String

    func run() async throws {
        let client = try service.client()
        let found = try await reporting { try await client.sandbox(await client.identify(sandbox, app: app)) }
        print(String(decoding: try JSONText.encode(found, forPeople: true), as: UTF8.self))
    }
}

struct Wait: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Waits for a sandbox's end, and ends as it did.")

    @OptionGroup var service: ServiceOptions
    @Option(help: "The app that a name belongs to.") var app = "default"
    @Argument(help: "The sandbox's id or name.") var sandbox: String

    func run() async throws {
        let client = try service.client()
        try leave(
            with: ExitStatus(
                try await reporting { try await client.wait(for: await client.identify(sandbox, app: app)) }))
    }
}

struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Prints what a command wrote, its stderr to ours.")

    @OptionGroup var service: ServiceOptions
    @Option(help: "The app that a name belongs to.") var app = "default"
    @Option(help: "The exec.") var exec = "main"
    @Flag(name: [.short, .long], help: "Go on until the command is over.") var follow = false
    @Argument(help: "The sandbox's id or name.") var sandbox: String

    func run() async throws {
        let client = try service.client()
        try await reporting {
            let id = try await client.identify(sandbox, app: app)
            if follow {
                _ = try await AttachedExec(client, exec: exec, in: id, takesStdin: false).run()
                return
            }
            for line in try await client.logs(of: exec, in: id, limit: 10_000).entries {
                let bytes = line.text.map { Data($0.utf8) } ?? line.base64.flatMap { Data(base64Encoded: $0) } ?? Data()
                (line.stream == "stdout" ? FileHandle.standardOutput : .standardError).write(bytes)
            }
        }
    }
}

extension CordonClient {
    /// The id behind an id or a running sandbox's name.
    func identify(_ text: String, app: String) async throws -> String {
        text.hasPrefix("sb-") && text.utf8.count == 29 ? text : try await sandbox(named: text, in: app).id
    }
}
