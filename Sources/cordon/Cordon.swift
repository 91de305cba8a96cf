import ArgumentParser
import CordonClient
import Foundation

@main
struct Cordon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cordon", abstract: "Runs commands in sandboxes.",
        discussion: """
            Credentials come from --credentials, from CORDON_TOKEN_ID and CORDON_TOKEN_SECRET (with CORDON_URL), \
            from the file that CORDON_CREDENTIALS names, from /var/lib/cordon/credentials.json or from \
            ~/.config/cordon/credentials.json.
            """,
        subcommands: [
            Run.self, Create.self, ExecCommand.self, List.self, Remove.self, Inspect.self, Logs.self, Wait.self,
        ])
}

/// Where the service is; every command takes it.
struct ServiceOptions: ParsableArguments {
    @Option(help: "The service's address, such as http://127.0.0.1:7747.")
    var url: String?
    @Option(help: ArgumentHelp("A credentials.json.", valueName: "path"))
    var credentials: String?

    func client() throws -> CordonClient {
        do throws(ClientError) {
            return try CordonClient(
                Credentials.find(path: credentials, url: url, environment: ProcessInfo.processInfo.environment))
        } catch { throw fail(error) }
    }
}

/// Says on stderr why a command can't go on, and ends with 125, which no command of a sandbox's is taken for.
func fail(_ error: any Error) -> ExitCode {
    say("\(error)")
    return ExitCode(125)
}

func say(_ text: String) { FileHandle.standardError.write(Data("cordon: \(text)\n".utf8)) }

func reporting<Value>(_ work: () async throws -> Value) async throws -> Value {
    do { return try await work() } catch let error as ClientError { throw fail(error) }
}
