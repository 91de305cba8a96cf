import ArgumentParser
import CordonAPI
import CordonClient

/// `cordon secret`: named sets of variables, whose values nobody is told.
struct SecretCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret", abstract: "Keeps variables that sandboxes get, and nobody is told.",
        subcommands: [Create.self, List.self, Inspect.self, Update.self, Remove.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Creates a secret and prints its id.")

        @OptionGroup var service: ServiceOptions
        @Option(
            help: ArgumentHelp("What becomes of one that has the name: fail, keep or replace.", valueName: "what"),
            completion: .list(["fail", "keep", "replace"]))
        var ifExists: String?
        @Flag(help: "Print the secret as JSON.") var json = false
        @Argument(help: "The secret's name.") var name: String
        @OptionGroup var variables: VariableOptions

        func run() async throws {
            let client = try service.client()
            let request = CreateSecretRequest(name: name, env: try variables.read().set, ifExists: ifExists)
            let made = try await reporting { try await client.createSecret(request) }
            if json { try printJSON(made) } else { print(made.id) }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "ls", abstract: "Lists secrets, newest first.")

        @OptionGroup var service: ServiceOptions
        @Flag(name: [.short, .long], help: "Only names.") var quiet = false
        @Flag(help: "As JSON, one secret on a line.") var json = false

        func run() async throws {
            let client = try service.client()
            var cursor: String?
            repeat {
                let page = try await reporting { try await client.secrets(cursor: cursor) }
                for secret in page.secrets {
                    if json {
                        try printJSON(secret)
                    } else {
                        print(quiet ? secret.name : "\(secret.name)  \(secret.keys.joined(separator: ","))")
                    }
                }
                cursor = page.nextCursor
            } while cursor != nil
        }
    }

    struct Inspect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints what there is to know of a secret, which no value is, as JSON.")

        @OptionGroup var service: ServiceOptions
        @Flag(help: "On one line.") var json = false
        @Argument(help: "The secret's name or id.") var secret: String

        func run() async throws {
            let client = try service.client()
            let found = try await reporting { try await client.secret(secret) }
            try printJSON(found, forPeople: !json)
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes a secret, and prints the names of its variables then.",
            discussion: "KEY- removes a variable. Sandboxes that run keep what they have.")

        @OptionGroup var service: ServiceOptions
        @Flag(help: "Remove all others.") var replace = false
        @Flag(help: "Print the secret as JSON.") var json = false
        @Argument(help: "The secret's name or id.") var secret: String
        @OptionGroup var variables: VariableOptions

        func run() async throws {
            let client = try service.client()
            let (set, removed) = try variables.read(removing: true)
            let changed = try await reporting {
                if replace { return try await client.replaceSecret(secret, with: set) }
                var changes: [String: String?] = set
                for key in removed { changes.updateValue(nil, forKey: key) }
                return try await client.changeSecret(secret, changes)
            }
            if json { return try printJSON(changed) }
            for key in changed.keys { print(key) }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Deletes secrets.",
            discussion: "Sandboxes that run keep what they have. Ends with 1 when one couldn't be deleted.")

        @OptionGroup var service: ServiceOptions
        @Argument(help: "The secrets' names or ids.") var secrets: [String]

        func run() async throws {
            let client = try service.client()
            var failed = false
            for secret in secrets {
                do {
                    try await client.deleteSecret(secret)
                    print(secret)
                } catch {
                    say("\(secret): \(error)")
                    failed = true
                }
            }
            if failed { throw ExitCode.failure }
        }
    }
}
