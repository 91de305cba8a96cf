import ArgumentParser

/// The service's program.
@main
struct Cordond: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cordond", abstract: "Run the Cordon service, or take it down.",
        subcommands: [Serve.self, Down.self], defaultSubcommand: Serve.self)

    /// Root's part comes first, on the only thread that there is: rights that are given up here are
    /// given up by every thread that is ever started.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if let serve = command as? Serve {
                let lock = try serve.prepareAsRoot()
                try await serve.serve()
                withExtendedLifetime(lock) {}
            } else {
                try command.run()
            }
        } catch { exit(withError: error) }
    }
}

/// Where an instance of the service lives. Any number of instances can run side by side.
struct Places: ParsableArguments {
    @Option(help: "Where sandboxes, output, images and records are kept.")
    var dataDir = "/var/lib/cordon"

    @Option(help: "Where sockets and locks of this instance are.")
    var runDir = "/run/cordon/default"

    /// Where the service keeps its own records: its own, and nobody else's to read.
    var stateDirectory: String { "\(dataDir)/service" }

    mutating func validate() throws {
        for (name, path) in [("--data-dir", dataDir), ("--run-dir", runDir)] where !path.hasPrefix("/") {
            throw ValidationError("\(name) takes an absolute path, not \(path)")
        }
    }
}
