public import Foundation
import SwiftASN1
import X509

/// What a TLS server proves who it is with.
public struct ServerIdentity: Sendable {
    /// The server's certificate and those that lead to its root, in this order, as PEM.
    public let certificateChainPEM: [UInt8]
    /// The certificate's private key as PEM, unencrypted.
    public let privateKeyPEM: [UInt8]
    /// Whom the certificate is for.
    public let names: [ServerName]
    public let notValidAfter: Date

    init(certificateChainPEM: [UInt8], privateKeyPEM: [UInt8], certificate: Certificate) throws {
        self.certificateChainPEM = certificateChainPEM
        self.privateKeyPEM = privateKeyPEM
        names = try certificate.extensions.subjectAlternativeNames?.compactMap { ServerName($0) } ?? []
        notValidAfter = certificate.notValidAfter
    }

    /// Why files can't be used. It tells nothing of what is in the key's.
    public enum Unusable: Error, Sendable, Hashable {
        case certificate(String)
        case key(String)

        public var reason: String {
            switch self {
            case .certificate(let reason), .key(let reason): reason
            }
        }
    }

    /// Reads what an operator has put into files: certificates with the server's own first, and its key.
    public init(
        certificateFile: String, keyFile: String, now: Date = Date()
    ) throws(Unusable) {
        let chain = try Self.read(certificateFile) { .certificate($0) }
        let key = try Self.read(keyFile) { .key($0) }
        guard let documents = try? PEMDocument.parseMultiple(pemString: chain),
            let certificates = try? documents.map({ try Certificate(pemDocument: $0) }), let first = certificates.first
        else { throw .certificate("\(certificateFile) isn't certificates in PEM") }
        guard let document = try? PEMDocument.parseMultiple(pemString: key).first(where: { $0.isPrivateKey }),
            let privateKey = try? Certificate.PrivateKey(pemDocument: document)
        else { throw .key("\(keyFile) isn't an unencrypted private key in PEM (EC, RSA or Ed25519)") }
        guard privateKey.publicKey == first.publicKey else {
            throw .key("\(keyFile) isn't the key of the first certificate in \(certificateFile)")
        }
        for certificate in certificates {
            guard certificate.notValidAfter > now else {
                throw .certificate("\(certificateFile) has expired, at \(certificate.notValidAfter.ISO8601Format())")
            }
            guard certificate.notValidBefore <= now else {
                throw .certificate(
                    "\(certificateFile) isn't valid before \(certificate.notValidBefore.ISO8601Format())")
            }
        }
        guard
            let identity = try? ServerIdentity(
                certificateChainPEM: Array(chain.utf8), privateKeyPEM: Array(document.pemString.utf8),
                certificate: first)
        else { throw .certificate("\(certificateFile) has names that can't be read") }
        self = identity
    }

    private static func read(_ path: String, _ unusable: (String) -> Unusable) throws(Unusable) -> String {
        guard let data = FileManager.default.contents(atPath: path), data.count <= 1 << 20 else {
            throw unusable("\(path) can't be read")
        }
        return String(decoding: data, as: UTF8.self)
    }

    /// Whether clients that reach the server by this name believe it.
    public func covers(_ name: ServerName) -> Bool { names.contains { $0.covers(name) } }
}

extension PEMDocument {
    fileprivate var isPrivateKey: Bool { discriminator.hasSuffix("PRIVATE KEY") }
}
