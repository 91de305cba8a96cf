import Foundation
import ProgramSupport
import ServerCertificates
import Testing

/// The service's own certificate authority, judged by OpenSSL.
struct DevelopmentAuthorityTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "ca-\(UUID().uuidString)").path

    init() throws { try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true) }

    private func openssl(_ arguments: String...) throws -> (status: Int32, output: String) {
        try HostProgram.run("/usr/bin/openssl", arguments)
    }

    private func names(_ texts: String...) throws -> [ServerName] { try texts.map { try #require(ServerName($0)) } }

    private func write(_ bytes: [UInt8], _ name: String) throws -> String {
        let path = "\(directory)/\(name)"
        try Data(bytes).write(to: URL(filePath: path))
        return path
    }

    @Test("its certificates prove each of their names, and no other, to a strict client")
    func names() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let authority = try DevelopmentAuthority.establish(in: directory)
        let identity = try authority.issueIdentity(names: names("localhost", "127.0.0.1", "::1", "box.example"))
        let leaf = try write(identity.certificateChainPEM, "leaf.pem")
        let check = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "\(directory)/ca.pem"]
        func verify(_ kind: String, _ name: String) throws -> (status: Int32, output: String) {
            try openssl(check[0], check[1], check[2], check[3], check[4], check[5], kind, name, leaf)
        }
        for (kind, name) in [
            ("-verify_hostname", "localhost"), ("-verify_hostname", "box.example"), ("-verify_ip", "127.0.0.1"),
            ("-verify_ip", "::1"),
        ] {
            let (status, output) = try verify(kind, name)
            #expect(status == 0, "\(name): \(output)")
        }
        #expect(try verify("-verify_hostname", "other.example").status != 0)
        #expect(try verify("-verify_ip", "127.0.0.2").status != 0)
    }

    @Test("it is the same after a restart, and its key is its owner's alone")
    func restart() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let first = try DevelopmentAuthority.establish(in: directory)
        let second = try DevelopmentAuthority.establish(in: directory)
        #expect(first.certificatePEM == second.certificatePEM)
        #expect(try DevelopmentAuthority.certificatePEM(in: directory) == first.certificatePEM)
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(directory)/ca-key.pem")
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test("near its end it is renewed for the same key: both certificates prove what it issues")
    func renewal() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let old = try DevelopmentAuthority.establish(in: directory, now: Date() - 9 * 365 * 86_400)
        let renewed = try DevelopmentAuthority.establish(in: directory)
        #expect(old.certificatePEM != renewed.certificatePEM)
        let leaf = try write(
            try renewed.issueIdentity(names: names("localhost")).certificateChainPEM, "leaf.pem")
        for (name, authority) in [("old.pem", old), ("new.pem", renewed)] {
            let path = try write(Array(authority.certificatePEM.utf8), name)
            let (status, output) = try openssl("verify", "-x509_strict", "-CAfile", path, leaf)
            #expect(status == 0, "\(name): \(output)")
        }
    }

    @Test("files that are no authority are refused, and stay")
    func spoilt() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        _ = try write(Array("nothing".utf8), "ca-key.pem")
        #expect(throws: DevelopmentAuthority.Unusable.self) { try DevelopmentAuthority.establish(in: directory) }
        #expect(FileManager.default.contents(atPath: "\(directory)/ca-key.pem") == Data("nothing".utf8))
    }

    @Test("an operator's files are taken when the key is the certificate's and the time is right")
    func files() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (certificate, key) = ("\(directory)/c.pem", "\(directory)/k.pem")
        let made = try openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "30",
            "-subj",
            "/CN=x", "-addext", "subjectAltName=DNS:*.example.com,IP:10.0.0.1")
        #expect(made.status == 0, "\(made.output)")
        let identity = try ServerIdentity(certificateFile: certificate, keyFile: key)
        #expect(identity.names.map(\.description) == ["*.example.com", "10.0.0.1"])
        #expect(identity.covers(try #require(ServerName("a.example.com"))))
        #expect(!identity.covers(try #require(ServerName("a.b.example.com"))))
        #expect(!identity.covers(try #require(ServerName("example.com"))))

        func refusal(_ certificate: String, _ key: String, now: Date = Date()) -> ServerIdentity.Unusable? {
            #expect(throws: ServerIdentity.Unusable.self) {
                try ServerIdentity(certificateFile: certificate, keyFile: key, now: now)
            }
        }
        let other = "\(directory)/other.pem"
        _ = try openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", other)
        #expect(
            refusal(certificate, other) == .key("\(other) isn't the key of the first certificate in \(certificate)"))
        #expect(refusal("/nonexistent", key) == .certificate("/nonexistent can't be read"))
        #expect(
            refusal(certificate, certificate).map { $0.reason.contains("isn't an unencrypted private key") } == true)
        #expect(refusal(key, key).map { $0.reason.contains("isn't certificates in PEM") } == true)
        let expired = refusal(certificate, key, now: Date() + 31 * 86_400)
        #expect(expired.map { $0.reason.contains("has expired") } == true)
        let early = refusal(certificate, key, now: Date() - 86_400)
        #expect(early.map { $0.reason.contains("isn't valid before") } == true)
    }

    @Test(
        "names are DNS names and addresses",
        arguments: [
            ("localhost", true), ("A.Example", true), ("*.example.com", true), ("127.0.0.1", true), ("::1", true),
            ("", false), ("*", false), ("*.com", false), ("a..b", false), ("-a.b", false), ("a_b", false),
            ("1.2.3", false), ("a b", false), ("ä.de", false),
        ])
    func serverNames(_ text: String, isValid: Bool) { #expect((ServerName(text) != nil) == isValid) }
}
