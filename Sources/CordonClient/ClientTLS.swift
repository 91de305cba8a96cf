import NIOCore
import NIOSSL

/// TLS as the client speaks it: the server must prove that it is the one.
struct ClientTLS: Sendable {
    private let context: NIOSSLContext
    /// Sent in the handshake, and proven by the certificate; nil for an IP address, which is proven all the same.
    private let serverName: String?

    /// - Parameter caCertificate: what is trusted, and nothing else is; nil for what the system trusts.
    init(server: String, caCertificate: String?) throws(ClientError) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        do {
            if let caCertificate {
                let certificates = try NIOSSLCertificate.fromPEMBytes(Array(caCertificate.utf8))
                configuration.trustRoots = .certificates(certificates)
            }
            context = try NIOSSLContext(configuration: configuration)
        } catch { throw .credentials("ca_certificate isn't a certificate in PEM") }
        let isAddress = (try? SocketAddress(ipAddress: server, port: 0)) != nil
        serverName = isAddress ? nil : server
    }

    /// Puts TLS below whatever else the channel speaks. On its event loop.
    func secure(_ channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(
            NIOSSLClientHandler(context: context, serverHostname: serverName))
    }

    /// Why the server wasn't believed; nil for other failures.
    static func mistrust(_ error: any Error) -> String? {
        switch error {
        case NIOSSLError.handshakeFailed(let failure):
            let text = "\(failure)"
            return text.contains("CERTIFICATE_VERIFY_FAILED") ? "it isn't from an authority that is trusted" : nil
        case is NIOSSLExtraError: return "it is for another name"
        default: return nil
        }
    }
}
