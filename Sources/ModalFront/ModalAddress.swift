import SandboxModel

/// Where clients reach the front.
public struct ModalAddress: Sendable, Hashable {
    /// The host that clients on this machine use, or that the configuration names.
    public var host: String
    public var port: Int
    public var tlsHost: String
    public var tlsPort: Int

    public init(host: String, port: Int, tlsHost: String, tlsPort: Int) {
        self.host = host
        self.port = port
        self.tlsHost = tlsHost
        self.tlsPort = tlsPort
    }

    /// What `MODAL_SERVER_URL` is set to.
    public var url: String { "http://\(Self.authority(host, port))" }
    /// The same over TLS.
    public var tlsURL: String { "https://\(Self.authority(tlsHost, tlsPort))" }

    /// Hosts to which the SDKs of today speak plain text.
    private static let plainHosts: Set = ["localhost", "127.0.0.1", "::1", "172.21.0.1"]

    /// Where a client that calls reaches the router of its sandbox's task; nil where it can only do so by way of the
    /// control plane.
    ///
    /// SDKs of old speak to routers over TLS alone, with a certificate that their system trusts, and otherwise go
    /// by way of the control plane. Those of today speak plain text to this machine, by the name that they know it by.
    func router(for call: Call) -> String? {
        let named = call.metadata.only("x-modal-host").map { String($0.prefix { $0 != ":" || $0 == "[" }) }
        let host = named.flatMap { $0.isEmpty ? nil : $0 }
        if call.isSecure { return "https://\(Self.authority(host ?? tlsHost, tlsPort))" }
        guard let host else { return nil }
        return Self.plainHosts.contains(host)
            ? "http://\(Self.authority(host, port))" : "https://\(Self.authority(host, tlsPort))"
    }

    private static func authority(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
