import ArgumentParser
import CordonClient
import Foundation

/// Where the service is, and the token for it; every command takes them.
struct ServiceOptions: ParsableArguments {
    @Option(help: "The service's address, such as http://127.0.0.1:7747.")
    var url: String?
    @Option(
        help: ArgumentHelp("A credentials.json.", valueName: "path"), completion: .file(extensions: ["json"]))
    var credentials: String?
    @Option(help: ArgumentHelp("A file that holds <id>.<secret>.", valueName: "path"), completion: .file())
    var tokenFile: String?
    @Option(help: ArgumentHelp("Certificates to trust, in PEM.", valueName: "path"), completion: .file())
    var caFile: String?

    /// The credentials that hold; ends with 125 when there are none.
    func found() throws -> FoundCredentials {
        let options = CredentialOptions(file: credentials, url: url, tokenFile: tokenFile, caFile: caFile)
        do throws(ClientError) {
            return try Credentials.find(options, environment: ProcessInfo.processInfo.environment)
        } catch { throw fail(error) }
    }

    func client() throws -> CordonClient {
        let found = try found()
        do throws(ClientError) { return try CordonClient(found.credentials) } catch { throw fail(error) }
    }
}
