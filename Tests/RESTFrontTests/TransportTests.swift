import Foundation
import FrontConnections
import ProgramSupport
import RESTFront
import SandboxModel
import Testing

/// Which protocol a connection speaks: asked by curl and openssl.
@Suite("Protocols on the one port", .timeLimit(.minutes(2)))
struct TransportTests {
    /// A certificate for 127.0.0.1 and its key, in a directory that is gone afterwards.
    private func withCertificate(_ body: (_ tls: FrontTLS, _ path: String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let (certificate, key) = (directory.path + "/certificate.pem", directory.path + "/key.pem")
        let (status, output) = try await HostProgram.result(
            of: "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                "-subj", "/CN=cordon", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
            ])
        guard status == 0 else { throw WireError(message: output) }
        let tls = FrontTLS(
            certificateChainPEM: Array(try Data(contentsOf: URL(fileURLWithPath: certificate))),
            privateKeyPEM: Array(try Data(contentsOf: URL(fileURLWithPath: key))))
        try await body(tls, certificate)
    }

    /// What curl says of one request: its status, the protocol and the body.
    private func curl(_ arguments: [String]) async throws -> String {
        let format = "%{http_code} %{http_version} "
        return try await HostProgram.result(of: "/usr/bin/curl", ["-s", "-m", "10", "-w", format] + arguments).output
    }

    private static let handshake = [
        "--http1.1", "-m", "2", "-o", "/dev/null", "-H", "Authorization: Bearer id.secret", "-H", "Upgrade: websocket",
        "-H", "Connection: Upgrade", "-H", "Sec-WebSocket-Version: 13", "-H",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]

    @Test("over TLS: HTTP/2 where the client offers it, HTTP/1.1 where it doesn't, WebSocket, and nothing plain or old")
    func overTLS() async throws {
        try await withCertificate { tls, certificate in
            var options = RESTFrontOptions()
            options.tls = tls
            try await withFront(options) { front in
                let spec = SandboxSpec()
                let id = try await front.service.create(spec, by: Caller(tokenID: "id"), key: nil).id
                let exec = try front.makeExec(id)
                let root = "https://127.0.0.1:\(front.port)"
                let cases: [([String], String)] = [
                    ([], "200 2 "), (["--http1.1"], "200 1.1 "), (["--no-alpn"], "200 1.1 "),
                    (["--tlsv1.2", "--tls-max", "1.2"], "200 2 "),
                ]
                for (arguments, expected) in cases {
                    let said = try await curl(
                        ["--cacert", certificate, "-o", "/dev/null"] + arguments + [root + "/healthz"])
                    #expect(said == expected, "\(arguments)")
                }
                #expect(try await curl(["-o", "/dev/null", "http://127.0.0.1:\(front.port)/healthz"]).hasPrefix("000"))
                let socket = try await curl(["--cacert", certificate] + Self.handshake + [root + exec + "/attach"])
                #expect(socket == "101 1.1 ")
                let session = try await HostProgram.result(
                    of: "/bin/sh",
                    [
                        "-c",
                        "openssl s_client -connect 127.0.0.1:\(front.port) -alpn h2,http/1.1 -tls1_3 </dev/null 2>&1; "
                            + "openssl s_client -connect 127.0.0.1:\(front.port) -cipher ALL:@SECLEVEL=0 -tls1_1 </dev/null 2>&1",
                    ]
                ).output
                #expect(session.contains("ALPN protocol: h2"))
                #expect(session.contains("alert protocol version") || session.contains("no protocols available"))
            }
        }
    }

    @Test("a certificate that isn't its key's is refused before anything is served")
    func wrongKey() async throws {
        try await withCertificate { one, _ in
            try await withCertificate { other, _ in
                var options = RESTFrontOptions()
                options.tls = FrontTLS(
                    certificateChainPEM: one.certificateChainPEM, privateKeyPEM: other.privateKeyPEM)
                await #expect(throws: (any Error).self) { try await withFront(options) { _ in } }
            }
        }
    }

    @Test("without TLS: HTTP/2 by prior knowledge beside HTTP/1.1, every route, streams both ways")
    func plain() async throws {
        try await withFront { front in
            let (id, path) = try await front.makeSandbox()
            let exec = try front.makeExec(id, stdout: FakeStream(patternOf: 5_000_000, closed: true))
            let root = "http://127.0.0.1:\(front.port)"
            let two = ["--http2-prior-knowledge", "-H", "Authorization: Bearer id.secret"]
            #expect(try await curl(["--http2", "-o", "/dev/null", root + "/healthz"]) == "200 1.1 ")
            #expect(try await curl(two + ["-o", "/dev/null", root + path]) == "200 2 ")
            #expect(try await curl(["--http2-prior-knowledge", "-o", "/dev/null", root + path]) == "401 2 ")
            #expect(try await curl(two + ["-o", "/dev/null", root + exec + "/attach"]) == "426 2 ")
            #expect(
                try await curl(two + ["-w", "%{size_download}", "-o", "/dev/null", root + exec + "/stdout"])
                    == "5000000")
            let sent = try await HostProgram.result(
                of: "/bin/sh",
                [
                    "-c",
                    "head -c 3000000 /dev/zero | curl -s -m 10 --http2-prior-knowledge -T - -X POST -H 'Authorization: Bearer id.secret' "
                        + "-H 'Content-Type: application/octet-stream' '\(root + exec)/stdin?eof=true'",
                ])
            #expect(sent.output.contains(#"{"accepted":3000000,"closed":true}"#))
        }
    }

    @Test("a long wait over HTTP/2 ends when the client leaves, and its place is free again")
    func leaves() async throws {
        var options = RESTFrontOptions()
        options.maximumWaits = 1
        try await withFront(options) { front in
            let (_, path) = try await front.makeSandbox()
            let two = ["--http2-prior-knowledge", "-H", "Authorization: Bearer id.secret", "-o", "/dev/null"]
            let wait = "http://127.0.0.1:\(front.port)\(path)/wait?timeout_seconds="
            #expect(try await curl(two + ["-m", "0.5", wait + "30"]).hasPrefix("000"))
            #expect(try await eventually { try await curl(two + [wait + "0"]) == "200 2 " })
        }
    }
}
