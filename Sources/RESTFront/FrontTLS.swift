/// What the front proves who it is with, when it speaks TLS.
public struct FrontTLS: Sendable {
    /// The server's certificate and those that lead to its root, in this order, as PEM.
    public var certificateChainPEM: [UInt8]
    /// The certificate's private key as PEM, unencrypted.
    public var privateKeyPEM: [UInt8]

    public init(certificateChainPEM: [UInt8], privateKeyPEM: [UInt8]) {
        self.certificateChainPEM = certificateChainPEM
        self.privateKeyPEM = privateKeyPEM
    }
}
