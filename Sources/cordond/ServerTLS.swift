import Foundation
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
            let authority = try DevelopmentAuthority.establish(in: configuration.stateDirectory)
            return ServerTLS(
                identity: try authority.issueIdentity(names: developmentNames(configuration)),
                caCertificate: authority.certificatePEM)
        }
    }

    /// Whatever a server of this machine may be reached by.
    private static func developmentNames(_ configuration: ServiceConfiguration) -> [ServerName] {
        let texts =
            ["localhost", "127.0.0.1", "::1", configuration.listen.clientHost, ProcessInfo.processInfo.hostName]
            + configuration.tlsNames
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
        do {
            let identity = try ServerIdentity(certificateFile: certificate, keyFile: key)
            if identity.notValidAfter < Date() + 14 * 86_400 {
                notes.append("tls_certificate expires soon, at \(identity.notValidAfter.ISO8601Format())")
            }
            return identity
        } catch {
            switch error {
            case .certificate(let reason):
                problems.append(loaded.problem(with: "tls_certificate", "isn't usable: \(reason)"))
            case .key(let reason): problems.append(loaded.problem(with: "tls_key", "isn't usable: \(reason)"))
            }
            return nil
        }
    }
}
