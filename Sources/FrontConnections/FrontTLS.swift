import NIOSSL

/// What a front proves who it is with, when it speaks TLS.
public struct FrontTLS: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The server's certificate and those that lead to its root, in this order, as PEM.
    public var certificateChainPEM: [UInt8]
    /// The certificate's private key as PEM, unencrypted.
    public var privateKeyPEM: [UInt8]

    public init(certificateChainPEM: [UInt8], privateKeyPEM: [UInt8]) {
        self.certificateChainPEM = certificateChainPEM
        self.privateKeyPEM = privateKeyPEM
    }

    /// Without the key: what describes whatever holds this, such as a service in a log, never shows it.
    public var description: String { "a certificate and its key" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: [] as [Mirror.Child]) }

    /// TLS 1.2 or newer, HTTP/2 before HTTP/1.1.
    package func configuration() throws -> TLSConfiguration {
        let chain = try NIOSSLCertificate.fromPEMBytes(certificateChainPEM)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: privateKeyPEM, format: .pem)))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["h2", "http/1.1"]
        return configuration
    }
}
