import Access
import ConnectFront
import Foundation
import SandboxModel
import Testing

/// Who is let in, and what becomes of a request's head.
@Suite("Admission to a sandbox")
struct AdmissionTests {
    private let seal: ConnectTokenSeal
    private let directory: String
    private let grant = ConnectGrant(
        sandbox: .mint(), port: 8080, metadata: try? UserMetadata(json: #"{"a":"ä"}"#),
        expiresAt: Timestamp(microseconds: Timestamp.now().microseconds + 60_000_000))

    init() throws {
        directory = NSTemporaryDirectory() + "cordon-connect-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        seal = try ConnectTokenSeal(directory: directory)
    }

    private func head(_ fields: [(String, String)], target: String = "/a") -> RequestHead {
        RequestHead(
            method: "GET", target: target, authority: "x:1",
            fields: MessageFields(fields.map { MessageFields.Field($0.0, $0.1) }))
    }

    private func admission(_ address: String = "http://x:1") throws -> Admission {
        Admission(verifier: seal, address: try #require(ConnectAddress(address)))
    }

    private func forwarded(_ head: RequestHead) throws -> RequestHead {
        let admitted = try admission().admit(head)
        return admitted.head.forwarded(
            for: admitted.grant, from: ClientAddress(host: "192.0.2.1", isSecure: true), key: nil)
    }

    @Test("a token is good after a restart, and no changed one ever is")
    func seals() throws {
        let token = try seal.seal(grant)
        #expect(try ConnectTokenSeal(directory: directory).grant(of: token) == grant)
        let key = try FileManager.default.attributesOfItem(atPath: directory + "/" + ConnectTokenSeal.fileName)
        #expect(key[.posixPermissions] as? Int == 0o600)
        for index in token.utf8.indices.dropFirst(3) {
            var bytes = Array(token.utf8)
            let place = token.utf8.distance(from: token.startIndex, to: index)
            bytes[place] = bytes[place] == 65 ? 66 : 65
            #expect(throws: CordonError.self) { try seal.grant(of: String(decoding: bytes, as: UTF8.self)) }
        }
        let later = try ConnectTokenSeal(directory: directory) { Timestamp(microseconds: .max) }
        #expect(throws: CordonError.self) { try later.grant(of: token) }
        #expect(!"\(ConnectToken(id: .mint(), url: "u", text: token, expiresAt: .now()))".contains(token))
    }

    @Test("a token that was taken back is good no more, also after a restart, and others are")
    func revocation() async throws {
        let (token, other) = (
            try seal.seal(grant),
            try seal.seal(
                ConnectGrant(sandbox: grant.sandbox, port: 8080, metadata: nil, expiresAt: grant.expiresAt))
        )
        try await seal.revoke(grant.id, of: grant.sandbox)
        try await seal.revoke(grant.id, of: grant.sandbox)
        for seal in [seal, try ConnectTokenSeal(directory: directory)] {
            let error = #expect(throws: CordonError.self) { try seal.grant(of: token) }
            #expect(error?.code == .unauthenticated && error?.message.contains("taken back") == true)
            #expect(throws: Never.self) { try seal.grant(of: other) }
        }
        let path = directory + "/connect-revoked.json"
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
        // Beyond the bound of one sandbox; others have theirs. A day later all are forgotten.
        for _ in 1..<256 { try await seal.revoke(.mint(), of: grant.sandbox) }
        let full = await #expect(throws: CordonError.self) { try await seal.revoke(.mint(), of: grant.sandbox) }
        #expect(full?.code == .resourceExhausted)
        try await seal.revoke(.mint(), of: .mint())
        let dayLater = Timestamp(microseconds: Timestamp.now().microseconds + 86_401_000_000)
        try await ConnectTokenSeal(directory: directory) { dayLater }.revoke(.mint(), of: grant.sandbox)
        #expect(try String(contentsOfFile: path, encoding: .utf8).utf8.count < 200)
        // What isn't what was written stays, and says so.
        try "[]".write(toFile: path, atomically: false, encoding: .utf8)
        #expect(throws: (any Error).self) { try ConnectTokenSeal(directory: directory) }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "[]")
    }

    @Test("wherever a token is shown, none of it goes on")
    func tokensGo() throws {
        let token = try seal.seal(grant)
        let heads = [
            head([("Authorization", "bearer  \(token)"), ("Cookie", "a=b")]),
            head([("Cookie", "a=b; _modal_connect_token=\(token)"), ("cookie", " c = d ")]),
            head(
                [("X", token), ("Referer", "http://x/?_modal_connect_token=other")],
                target: "/a?_modal_connect_token=\(token)"),
        ]
        for head in heads {
            let text = String(buffer: try forwarded(head).encoded())
            #expect(!text.contains(token) && !text.contains("_modal_connect_token"), "\(text)")
        }
        #expect(try forwarded(heads[1]).fields["cookie"] == ["a=b; c = d"])
    }

    @Test("what only the proxy may say is said by it, once")
    func spoofs() throws {
        let token = try seal.seal(grant)
        let names = [
            "X-Verified-User-Data", "x_verified_user_data", "X.Verified-User_Data", "FORWARDED", "x-forwarded_for",
        ]
        let sent = try forwarded(head([("Authorization", "Bearer \(token)")] + names.map { ($0, "spoofed") }))
        #expect(!sent.fields.all.contains { $0.value == "spoofed" })
        #expect(sent.fields["x-verified-user-data"] == [#"{"a":"\u00e4"}"#])
        #expect(sent.fields["forwarded"] == [#"for=192.0.2.1;host="x:1";proto=https"#])
    }

    @Test("a cookie that a browser would send back as a token isn't passed on")
    func cookies() {
        for text in [
            "_modal_connect_token=a", " _modal_connect_token = a", "=_modal_connect_token=a", "_modal_connect_token",
            "==_modal_connect_token=a; Path=/",
        ] {
            #expect(SandboxCookie.admitted(text) == nil, "\(text)")
        }
        #expect(SandboxCookie.admitted("a=b; DOMAIN=x; Path=/") == "a=b; Path=/")
    }

    @Test("with a host for each port, a token is good on its own")
    func hosts() throws {
        let address = try #require(ConnectAddress("https://*.x.test:8443"))
        #expect(address.url(to: 80, of: grant.sandbox) == "https://\(grant.sandbox)-80.x.test:8443/")
        let admission = Admission(verifier: seal, address: address)
        var request = head([("Authorization", "Bearer \(try seal.seal(grant))")])
        #expect(throws: Refusal.otherHost) { try admission.admit(request) }
        request.authority = "\(grant.sandbox)-8080.X.test:1"
        #expect(try admission.admit(request).grant == grant)
        for text in ["x", "ftp://x", "http://", "http://*.", "http://x:0", "http://x/y", "http://[::1", "http://X"] {
            #expect(ConnectAddress(text) == nil, "\(text)")
        }
    }

    @Test("metadata is fewer than 512 characters")
    func metadata() throws {
        #expect(try UserMetadata(json: String(repeating: "ä", count: 511)).fieldValue.utf8.count == 511 * 6)
        #expect(throws: CordonError.self) { try UserMetadata(json: String(repeating: "a", count: 512)) }
        #expect(
            try UserMetadata(json: "{\r\n\t\"a\": \"\u{1F600}\u{7f}\"}").fieldValue
                == "{   \"a\": \"\\ud83d\\ude00\\u007f\"}")
    }
}
