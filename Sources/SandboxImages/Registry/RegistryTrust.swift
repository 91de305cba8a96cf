import NIOSSL

/// Certificate authorities that registries are believed by, beside the system's.
public struct RegistryTrust: Sendable {
    let authorities: [NIOSSLCertificate]

    /// The system's alone.
    public static let system = RegistryTrust(authorities: [])

    private init(authorities: [NIOSSLCertificate]) { self.authorities = authorities }

    /// What was wrong with the file.
    public struct Malformed: Error, CustomStringConvertible {
        public let description: String
    }

    /// Reads certificates in PEM, one at least.
    public init(pem bytes: [UInt8]) throws(Malformed) {
        do {
            authorities = try NIOSSLCertificate.fromPEMBytes(bytes)
        } catch { throw Malformed(description: "it isn't PEM with certificates") }
        guard !authorities.isEmpty else { throw Malformed(description: "it has no certificate") }
    }
}
