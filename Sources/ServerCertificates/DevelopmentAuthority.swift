import Crypto
public import Foundation
import LinuxSystem
import SwiftASN1
import X509

/// A certificate authority of the service's own, for machines that have no certificate: made on the
/// first start, and the same from then on. Nobody trusts it who wasn't given its certificate.
public struct DevelopmentAuthority: Sendable {
    static let certificateFile = "ca.pem"
    static let keyFile = "ca-key.pem"

    private static let day: TimeInterval = 86_400
    private static let lifetime = 3650 * day
    /// Of a server's certificate; one is issued at every start.
    private static let serverLifetime = 397 * day
    /// Clocks of clients may be behind.
    private static let slack = day

    private let key: P256.Signing.PrivateKey
    private let certificate: Certificate
    public let certificatePEM: String

    /// What is in the directory and is no authority; it stays as it is.
    public struct Unusable: Error, CustomStringConvertible {
        public let description: String
    }

    /// The authority kept in a directory: the one that is there, or a new one where there is none.
    ///
    /// One that is about to expire gets a new certificate for the same key and name: who trusts the
    /// old one goes on for as long as that is valid.
    public static func establish(in path: String, now: Date = Date()) throws -> DevelopmentAuthority {
        let directory = try Directory(path: path)
        guard let stored = try directory.read(keyFile) else {
            let key = P256.Signing.PrivateKey()
            // A certificate without its key would be of no use: the key comes first.
            try directory.replace(keyFile, with: Array(key.pemRepresentation.utf8), mode: 0o600, durable: true)
            return try issue(for: key, in: directory, now: now)
        }
        guard let key = try? P256.Signing.PrivateKey(pemRepresentation: String(decoding: stored, as: UTF8.self)) else {
            throw Unusable(description: "\(keyFile) isn't a private key of P-256")
        }
        guard let pem = try directory.read(certificateFile) else { return try issue(for: key, in: directory, now: now) }
        let text = String(decoding: pem, as: UTF8.self)
        guard let certificate = try? Certificate(pemEncoded: text),
            certificate.publicKey == Certificate.PublicKey(key.publicKey)
        else { throw Unusable(description: "\(certificateFile) isn't the certificate of \(keyFile)") }
        guard certificate.notValidAfter > now + serverLifetime else {
            return try issue(for: key, in: directory, now: now)
        }
        return DevelopmentAuthority(key: key, certificate: certificate, certificatePEM: text)
    }

    /// The certificate of the authority kept in a directory; nil where there is none.
    public static func certificatePEM(in path: String) throws -> String? {
        try Directory(path: path).read(certificateFile).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func issue(
        for key: P256.Signing.PrivateKey, in directory: Directory, now: Date
    ) throws -> DevelopmentAuthority {
        // Two authorities of the same name would be taken for one another: the key is in it.
        let print = SHA256.hash(data: key.publicKey.rawRepresentation).prefix(4).map { String($0, radix: 16) }.joined()
        let name = try DistinguishedName {
            OrganizationName("Cordon")
            CommonName("Cordon development CA \(print)")
        }
        let publicKey = Certificate.PublicKey(key.publicKey)
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: publicKey, notValidBefore: now - slack,
            notValidAfter: now + lifetime, issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: publicKey)
            },
            issuerPrivateKey: .init(key))
        let pem = try certificate.serializeAsPEM().pemString + "\n"
        try directory.replace(certificateFile, with: Array(pem.utf8), mode: 0o600, durable: true)
        return DevelopmentAuthority(key: key, certificate: certificate, certificatePEM: pem)
    }

    /// A certificate for a server of these names, with a key that is made for it and kept nowhere.
    public func issueIdentity(names: [ServerName], now: Date = Date()) throws -> ServerIdentity {
        let serverKey = P256.Signing.PrivateKey()
        let publicKey = Certificate.PublicKey(serverKey.publicKey)
        let issuerKeyID = SubjectKeyIdentifier(hash: certificate.publicKey).keyIdentifier
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: publicKey, notValidBefore: now - Self.slack,
            notValidAfter: min(now + Self.serverLifetime, certificate.notValidAfter), issuer: certificate.subject,
            subject: try DistinguishedName { CommonName("Cordon") }, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth])
                SubjectAlternativeNames(names.map(\.generalName))
                SubjectKeyIdentifier(hash: publicKey)
                AuthorityKeyIdentifier(keyIdentifier: issuerKeyID)
            },
            issuerPrivateKey: .init(key))
        return try ServerIdentity(
            certificateChainPEM: Array((try leaf.serializeAsPEM().pemString + "\n").utf8),
            privateKeyPEM: Array(serverKey.pemRepresentation.utf8), certificate: leaf)
    }
}
