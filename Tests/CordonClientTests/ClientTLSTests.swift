import CordonClient
import Foundation
import ServerCertificates
import Testing

@Suite("The client over TLS")
struct ClientTLSTests {
    private func authority() throws -> DevelopmentAuthority {
        let directory = FileManager.default.temporaryDirectory.appending(path: "ca-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        return try DevelopmentAuthority.establish(in: directory)
    }

    private func list(_ server: ScriptedServer, host: String = "127.0.0.1", trusting pem: String?) async throws {
        var client = try CordonClient(
            Credentials(
                url: "https://\(host):\(server.port)", caCertificate: pem, tokenID: "id", tokenSecret: "secret"))
        client.patience = .seconds(5)
        #expect(try await client.sandboxes().sandboxes.isEmpty)
    }

    private func serve(
        as names: String..., by authority: DevelopmentAuthority, _ body: (ScriptedServer) async throws -> Void
    ) async throws {
        let identity = try authority.issueIdentity(names: names.compactMap { ServerName($0) })
        try await ScriptedServer.run(as: identity) { _ in
            .answer(body: Array(#"{"sandboxes": [], "next_cursor": null}"#.utf8))
        } _: {
            try await body($0)
        }
    }

    @Test("a server is believed by its address and by its name, when its authority is the one in the credentials")
    func trusted() async throws {
        let authority = try authority()
        try await serve(as: "127.0.0.1", "localhost", by: authority) { server in
            try await list(server, trusting: authority.certificatePEM)
            try await list(server, host: "localhost", trusting: authority.certificatePEM)
        }
    }

    @Test("a server of another authority, or for another name, is not, and is told no token")
    func untrusted() async throws {
        let (authority, other) = (try authority(), try self.authority())
        for (name, pem) in [
            ("127.0.0.1", other.certificatePEM), ("127.0.0.1", nil), ("127.0.0.2", authority.certificatePEM),
        ] {
            let identity = try authority.issueIdentity(names: [try #require(ServerName(name))])
            try await ScriptedServer.run(as: identity) { _ in
                Issue.record("a request was sent")
                return .hangUp
            } _: { server in
                let error = await #expect(throws: ClientError.self) { try await list(server, trusting: pem) }
                guard case .untrusted = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
            }
        }
    }

    @Test(
        "what isn't an address of http or https is refused",
        arguments: ["ftp://a", "http://", "http://a:b", "https://[::1", "http://a:0", "https://[::1]x"])
    func addresses(_ url: String) {
        #expect(throws: ClientError.self) {
            try CordonClient(Credentials(url: url, tokenID: "id", tokenSecret: "secret"))
        }
    }
}
