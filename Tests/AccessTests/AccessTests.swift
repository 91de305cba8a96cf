import Access
import Foundation
import SandboxModel
import Synchronization
import Testing

private final class FakeTokens: TokenRecords {
    private let hashes = Mutex<[String: [UInt8]]>([:])
    func secretHash(of tokenID: String) async throws -> [UInt8]? { hashes.withLock { $0[tokenID] } }
    func add(tokenID: String, secretHash: [UInt8], at: Timestamp) async throws {
        hashes.withLock { $0[tokenID] = secretHash }
    }
    func tokenIDs() async throws -> [String] { hashes.withLock { Array($0.keys) } }
}

private final class Directory {
    let path = NSTemporaryDirectory() + "access-" + UUID().uuidString
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Suite struct AccessTests {
    @Test("a minted token is accepted, and only its hash is on record")
    func minted() async throws {
        let records = FakeTokens()
        let verifier = TokenVerifier(records: records)
        let token = try await verifier.mintToken()
        #expect(token.id.hasPrefix("tk-") && token.id.count == 25 && token.secret.count == 43)
        #expect(try await verifier.verify(bearer: token.id + "." + token.secret) == Caller(tokenID: token.id))
        #expect(try await records.secretHash(of: token.id)?.count == 32)
        #expect("\(token)" == token.id)
    }

    @Test("a credential that is wrong in any way is refused, and not repeated")
    func refused() async throws {
        let verifier = TokenVerifier(records: FakeTokens())
        let token = try await verifier.mintToken()
        let other = try await verifier.mintToken()
        let wrong = [
            "", ".", token.id, token.secret, token.id + ".", token.id + "." + other.secret,
            token.id + "." + token.secret + "x", token.id + "." + token.secret.dropLast(), "tk-unknown." + token.secret,
            token.id.uppercased() + "." + token.secret, String(repeating: "a", count: 100_000),
            token.id + ".\u{0}" + token.secret.dropFirst(),
        ]
        for bearer in wrong {
            do {
                _ = try await verifier.verify(bearer: bearer)
                Issue.record("accepted: \(bearer.prefix(80))")
            } catch let error as CordonError {
                #expect(error.code == .unauthenticated)
                #expect(!"\(error) \(error.value ?? "")".contains(token.secret.dropFirst(3).dropLast(3)))
            }
        }
    }

    @Test("the first start writes credentials, the next one keeps them, and a lost file is made again")
    func credentials() async throws {
        let directory = try Directory()
        let verifier = TokenVerifier(records: FakeTokens())
        let first = try await Credentials.establish(in: directory.path, url: "http://127.0.0.1:1", verifier: verifier)
        let path = directory.path + "/credentials.json"
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
        #expect((mode as? Int) == 0o600)
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(
            Set((json as? [String: Any] ?? [:]).keys) == [
                "url", "grpc_url", "grpc_tls_url", "ca_certificate", "token_id", "token_secret",
            ])
        let moved = try await Credentials.establish(
            in: directory.path, url: "https://127.0.0.1:2", caCertificate: "PEM", verifier: verifier)
        #expect(moved.tokenSecret == first.tokenSecret && moved.url.hasSuffix(":2"))
        #expect(moved.caCertificate == "PEM")
        #expect(try Credentials.read(in: directory.path) == moved)
        try FileManager.default.removeItem(atPath: path)
        let fresh = try await Credentials.establish(in: directory.path, url: "u", verifier: verifier)
        #expect(fresh.tokenID != first.tokenID)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["credentials.json"])
    }

    @Test("a credentials file that can't be understood is an error, and stays")
    func unreadableCredentials() async throws {
        let directory = try Directory()
        let path = directory.path + "/credentials.json"
        try Data("{".utf8).write(to: URL(fileURLWithPath: path))
        let verifier = TokenVerifier(records: FakeTokens())
        await #expect(throws: (any Error).self) {
            try await Credentials.establish(in: directory.path, url: "u", verifier: verifier)
        }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "{")
    }

    @Test("a body's hash is the same after a restart and another in another data directory")
    func bodyHash() throws {
        let directory = try Directory()
        let other = try Directory()
        let body = Array("body".utf8)
        let hash = try BodyHasher(directory: directory.path).hash(body)
        #expect(hash.count == 32)
        #expect(try BodyHasher(directory: directory.path).hash(body) == hash)
        #expect(try BodyHasher(directory: other.path).hash(body) != hash)
        let mode = try FileManager.default.attributesOfItem(atPath: directory.path + "/body-hash.key")[
            .posixPermissions]
        #expect((mode as? Int) == 0o600)
    }
}
