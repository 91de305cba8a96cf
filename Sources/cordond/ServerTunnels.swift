import Foundation
import Logging
import SandboxModel
import SandboxRuntime
import SandboxTunnels
import ServerCertificates
import ServiceConfiguration

/// The tunnels' part of a service: what its configuration says of them.
struct ServerTunnels {
    let service: TunnelService
    /// The certificate of the CA that vouches for encrypted ones; nil with an operator's certificate.
    let authority: String?

    /// - Parameters:
    ///   - files: what the operator's files for tunnels held, where there are any.
    ///   - served: what those for the REST port did: without the others it is good for tunnels too, where clients
    ///     that reach them believe it.
    init(
        _ configuration: ServiceConfiguration, files: ServerIdentity?, ofService served: ServerIdentity?,
        host: LocalHost, logger: Logger
    ) throws {
        var options = TunnelOptions()
        let address = IPAddress(configuration.tunnelListen) ?? options.address
        options.address = address
        options.ports = configuration.tunnelPorts.lowest...configuration.tunnelPorts.highest
        options.host = configuration.tunnelHost ?? Self.reachable(address)
        options.domain = configuration.tunnelDomain
        options.domainPort = UInt16(configuration.tunnelDomainPort)
        let reached = options.domain.map { "*." + $0 } ?? options.host
        var identity =
            files
            ?? served.flatMap { served in
                ServerName(reached).map(served.covers) == true ? served : nil
            }
        var authority: DevelopmentAuthority?
        if identity == nil {
            let made = try DevelopmentAuthority.establish(in: configuration.stateDirectory)
            identity = try made.issueIdentity(names: Self.names(configuration, host: options.host))
            authority = made
        }
        options.certificateChain = identity?.certificateChainPEM ?? []
        options.privateKey = identity?.privateKeyPEM ?? []
        self.authority = authority?.certificatePEM
        if let maximum = configuration.maximumTunnelConnections { options.maximumConnections = maximum }
        options.maximumConnectionsPerTunnel = configuration.maximumConnectionsPerTunnel
        service = try TunnelService(options, host: host, logger: logger)
    }

    /// By what this machine reaches an address that it listens at.
    private static func reachable(_ address: IPAddress) -> String {
        switch address.description {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        case let text: text
        }
    }

    private static func names(_ configuration: ServiceConfiguration, host: String) -> [ServerName] {
        let texts =
            [host, "localhost", "127.0.0.1", "::1", ProcessInfo.processInfo.hostName]
            + (configuration.tunnelDomain.map { ["*." + $0] } ?? [])
        var names: [ServerName] = []
        for name in texts.compactMap({ ServerName($0) }) where !names.contains(name) { names.append(name) }
        return names
    }
}
