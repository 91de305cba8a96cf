import SandboxModel

/// How registries are reached.
public struct RegistryOptions: Sendable {
    /// For a registry, hosts that are asked before it, in order.
    public var mirrors: [String: [String]] = [:]
    /// For a registry, the host that is asked in its place.
    public var aliases: [String: String] = [:]
    /// Hosts (with their port) that may be asked over plain HTTP, beside those of this machine's loopback interface.
    public var plainHosts: Set<String> = []
    public var credentials = RegistryCredentials.none
    public var trust = RegistryTrust.system
    /// Blobs fetched at a time, of one image.
    public var parallelDownloads = 3

    public init() {}

    /// Where a registry's images are asked for, in order.
    package func endpoints(of registry: String) -> [RegistryEndpoint] {
        let home = aliases[registry] ?? registry
        return ((mirrors[registry] ?? []) + [home]).map { RegistryEndpoint(host: $0, isPlain: isPlain($0)) }
    }

    /// Whether a host is asked without TLS.
    private func isPlain(_ host: String) -> Bool {
        if plainHosts.contains(host) { return true }
        let name = host.split(separator: ":", maxSplits: 1)[0]
        guard name != "localhost" else { return true }
        guard let address = IPAddress(String(name)) else { return false }
        return address.description.hasPrefix("127.")
    }
}

/// One server that speaks the distribution API.
package struct RegistryEndpoint: Sendable, Hashable, CustomStringConvertible {
    /// The name under which Docker Hub serves its API.
    private static let hub = "registry-1.docker.io"

    /// A host, perhaps with a port.
    package let host: String
    package let isPlain: Bool

    package init(host: String, isPlain: Bool) { (self.host, self.isPlain) = (host, isPlain) }

    package var url: String {
        "\(isPlain ? "http" : "https")://\(host == ImageReference.defaultRegistry ? Self.hub : host)"
    }

    package var description: String { host }
}
