import ArgumentParser
import CordonAPI
import CordonClient

struct ConnectTokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect-token", abstract: "Makes a token for what a sandbox serves over HTTP.",
        discussion: """
            Prints the address that a browser opens, with the token in it. Programs send the token as \
            "Authorization: Bearer <token>". It is good until it expires, is taken back, or the sandbox ends.
            """)

    @OptionGroup var service: ServiceOptions
    @Option(help: "The port that the server in the sandbox listens on (8080).") var port: Int?
    @Option(help: ArgumentHelp("What that server is told of the bearer, as JSON.", valueName: "json"))
    var metadata: String?
    @Option(help: ArgumentHelp("How long it is good.", valueName: "seconds")) var expires: Int?
    @Option(help: ArgumentHelp("Take a token back, by the id that --json prints.", valueName: "id")) var revoke: String?
    @Flag(help: "Print id, address and token apart, as JSON.") var json = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference

    func run() async throws {
        let client = try service.client()
        if let revoke {
            return try await reporting {
                try await client.revokeConnectToken(revoke, of: try await client.sandbox(sandbox).id)
            }
        }
        let request = CreateConnectTokenRequest(userMetadata: metadata, port: port, expiresSeconds: expires)
        let answer = try await reporting {
            try await client.createConnectToken(for: try await client.sandbox(sandbox).id, request)
        }
        if json { return try printJSON(answer) }
        print("\(answer.url)?_modal_connect_token=\(answer.token)")
    }
}
