import ArgumentParser
import ServiceConfiguration

/// `cordond config`: what is in force, and whether it can be.
struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show or check the configuration.", subcommands: [Print.self, Check.self, Reference.self])

    struct Print: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the value of each option, and where it comes from.",
            usage: "cordond config print [--json] [--config <file>] [<options> ...]")

        @Flag(help: "Print a JSON object.")
        var json = false
        @OptionGroup var arguments: ConfigurationArguments

        func run() throws {
            let loaded = try arguments.load()
            print(json ? try loaded.json : loaded.table)
        }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say everything that is wrong with the configuration, if anything is (status 78).",
            usage: "cordond config check [--config <file>] [<options> ...]")

        @OptionGroup var arguments: ConfigurationArguments

        func run() throws {
            let checked = try CheckedConfiguration(try arguments.load())
            for note in checked.notes { print(note) }
            print("The configuration is as it should be.")
        }
    }

    struct Reference: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the tables of docs/CONFIGURATION.md.", shouldDisplay: false)

        func run() { print(OptionTable.markdown) }
    }
}
