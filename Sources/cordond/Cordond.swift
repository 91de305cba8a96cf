import ArgumentParser
import Foundation
import ServiceConfiguration

/// The service's program.
@main
struct Cordond: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cordond", abstract: "Run the Cordon service, or take it down.",
        discussion: "`cordond help serve` lists the options, which go without a subcommand too.",
        subcommands: [Serve.self, Down.self, Config.self, CA.self, SecretKeys.self], defaultSubcommand: Serve.self)

    /// EX_CONFIG of sysexits(3).
    private static let misconfigured = ExitCode(78)

    /// Root's part comes first, on the only thread that there is: rights that are given up here are
    /// given up by every thread that is ever started.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if let serve = command as? Serve {
                let prepared = try serve.prepareAsRoot()
                try await prepared.serve()
            } else {
                try command.run()
            }
        } catch let refused as ConfigurationRefused {
            FileHandle.standardError.write(Data("\(refused)\n".utf8))
            exit(withError: misconfigured)
        } catch { exit(withError: error) }
    }
}

/// The options of the table, for every command that needs to know of an instance.
struct ConfigurationArguments: ParsableArguments {
    @Option(help: ArgumentHelp("A YAML file of options.", valueName: "file"))
    var config: String?

    /// Options of the table: it knows them, not the parser.
    @Argument(parsing: .allUnrecognized, help: .hidden)
    var flags: [String] = []

    /// The configuration in force. Throws `ConfigurationRefused`, with everything that is wrong.
    func load() throws -> LoadedConfiguration {
        try LoadedConfiguration(arguments: flags, file: config, environment: ProcessInfo.processInfo.environment)
    }

    /// What `--help` says of the options.
    static let discussion = """
        Every option can be given as --some-option VALUE, as the variable CORDON_SOME_OPTION, or as some_option in \
        the file that --config or CORDON_CONFIG names (/etc/cordon/cordond.yaml where it exists); the first of these \
        holds. `cordond config print` shows what is in force.

        \(OptionTable.help)
        """
}
