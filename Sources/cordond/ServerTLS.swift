import Foundation
import FrontConnections
import Glibc
import Logging
import RESTFront
import ServerCertificates
import ServiceConfiguration

/// What the REST port proves who it is with, and how clients are told.
struct ServerTLS: Sendable {
    let identity: ServerIdentity
    /// What vouches for it, where that isn't trusted anyway.
    let caCertificate: String?

    /// What the configuration's mode gives; nil for plain HTTP.
    ///
    /// - Parameter files: what the operator's files held, in that mode.
    static func establish(
        _ configuration: ServiceConfiguration, files: ServerIdentity?
    ) throws -> ServerTLS? {
        switch configuration.tls {
        case .off: return nil
        case .files: return files.map { ServerTLS(identity: $0, caCertificate: nil) }
        case .developmentCA:
            return try development(configuration)
        }
    }

    /// A certificate of the development CA.
    static func development(_ configuration: ServiceConfiguration) throws -> ServerTLS {
        let authority = try DevelopmentAuthority.establish(in: configuration.stateDirectory)
        return ServerTLS(
            identity: try authority.issueIdentity(names: developmentNames(configuration)),
            caCertificate: authority.certificatePEM)
    }

    /// Whatever a server of this machine may be reached by.
    private static func developmentNames(_ configuration: ServiceConfiguration) -> [ServerName] {
        let texts =
            ["localhost", "127.0.0.1", "::1", configuration.listen.clientHost, ProcessInfo.processInfo.hostName]
            + configuration.tlsNames
            + [configuration.connectURL.map { ($0.hasHostForEach ? "*." : "") + $0.host }].compactMap { $0 }
        var names: [ServerName] = []
        for name in texts.compactMap({ ServerName($0) }) where !names.contains(name) { names.append(name) }
        return names
    }

    var front: FrontTLS {
        FrontTLS(certificateChainPEM: identity.certificateChainPEM, privateKeyPEM: identity.privateKeyPEM)
    }

    /// The host that clients should use: the one they reach, or else one that the certificate is for.
    func host(for listen: ListenAddress) -> String {
        let reached = listen.clientHost
        if let name = ServerName(reached), identity.covers(name) { return reached }
        return identity.names.first { !$0.isWildcard }?.description ?? reached
    }
}

extension CheckedConfiguration {
    /// The operator's certificate and key, read while this process may. nil in other modes.
    static func readIdentity(
        _ loaded: LoadedConfiguration, problems: inout [ConfigurationProblem], notes: inout [String]
    ) -> ServerIdentity? {
        for name in loaded.values.tlsNames where ServerName(name) == nil {
            problems.append(loaded.problem(with: "tls_names", "has \(name), which is no DNS name and no IP address"))
        }
        guard loaded.values.tls == .files, let certificate = loaded.values.tlsCertificate,
            let key = loaded.values.tlsKey
        else { return nil }
        return identity(
            loaded, certificate: ("tls_certificate", certificate), key: ("tls_key", key), problems: &problems,
            notes: &notes)
    }

    /// The operator's certificate and key for tunnels, where there are any.
    static func readTunnelIdentity(
        _ loaded: LoadedConfiguration, problems: inout [ConfigurationProblem], notes: inout [String]
    ) -> ServerIdentity? {
        guard let certificate = loaded.values.tunnelCertificate, let key = loaded.values.tunnelKey else { return nil }
        return identity(
            loaded, certificate: ("tunnel_certificate", certificate), key: ("tunnel_key", key), problems: &problems,
            notes: &notes)
    }

    private static func identity(
        _ loaded: LoadedConfiguration, certificate: (option: String, path: String), key: (option: String, path: String),
        problems: inout [ConfigurationProblem], notes: inout [String]
    ) -> ServerIdentity? {
        do {
            let identity = try ServerIdentity(certificateFile: certificate.path, keyFile: key.path)
            if identity.notValidAfter < Date() + 14 * 86_400 {
                notes.append("\(certificate.option) expires soon, at \(identity.notValidAfter.ISO8601Format())")
            }
            return identity
        } catch {
            switch error {
            case .certificate(let reason):
                problems.append(loaded.problem(with: certificate.option, "isn't usable: \(reason)"))
            case .key(let reason): problems.append(loaded.problem(with: key.option, "isn't usable: \(reason)"))
            }
            return nil
        }
    }
}
