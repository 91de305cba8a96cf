/// How the outside of a tunnel speaks; the inside is plain TCP.
public enum TunnelKind: String, Sendable, Hashable, CaseIterable {
    /// TLS that ends at the service.
    case encrypted
    /// TLS that offers `h2` (RFC 7301, RFC 9113).
    case h2
    /// As it comes.
    case unencrypted
}

/// Where the outside of a tunnel is, for as long as its sandbox lives.
public enum TunnelPlace: Sendable, Hashable {
    /// A port of the tunnel's own.
    case port(UInt16)
    /// A name below the service's tunnel domain, on the port that all of them share.
    case name(String)
}

/// A port of a sandbox that is reached from outside.
public struct TunnelPort: Sendable, Hashable {
    /// Inside.
    public let port: UInt16
    public let kind: TunnelKind
    /// nil until it is allotted.
    public var place: TunnelPlace?

    public init(port: UInt16, kind: TunnelKind, place: TunnelPlace? = nil) {
        self.port = port
        self.kind = kind
        self.place = place
    }
}

/// The tunnels of a sandbox, and who may come through them.
public struct TunnelSpec: Sendable, Hashable {
    public static let maximumCount = 32
    public static let maximumRanges = 100

    public private(set) var ports: [TunnelPort]
    /// Addresses that may connect; nil for all.
    public let inbound: [AddressRange]?

    public static let none = TunnelSpec(unchecked: [], inbound: nil)

    private init(unchecked ports: [TunnelPort], inbound: [AddressRange]?) {
        self.ports = ports
        self.inbound = inbound
    }

    /// Throws `invalidArgument` when there are too many, or two of one port.
    public init(_ ports: [TunnelPort], inbound: [AddressRange]? = nil) throws(CordonError) {
        guard ports.count <= Self.maximumCount else {
            throw .invalid(
                field: "\(ports[0].kind)_ports", value: "\(ports.count) ports",
                rule: "at most \(Self.maximumCount) ports in all")
        }
        var seen: Set<UInt16> = []
        for port in ports where !seen.insert(port.port).inserted {
            throw .invalid(field: "\(port.kind)_ports", value: "\(port.port)", rule: "each port once, of one kind")
        }
        if let inbound, inbound.count > Self.maximumRanges {
            throw .invalid(
                field: "inbound_cidr_allowlist", value: "\(inbound.count) ranges",
                rule: "at most \(Self.maximumRanges) ranges")
        }
        self.init(unchecked: ports, inbound: inbound)
    }

    public var isEmpty: Bool { ports.isEmpty }

    /// The same with a place for every port.
    public func placed(_ place: (TunnelPort) throws -> TunnelPlace) rethrows -> TunnelSpec {
        var placed = self
        for index in placed.ports.indices { placed.ports[index].place = try place(placed.ports[index]) }
        return placed
    }

    /// Whether a client of this address may connect.
    public func admits(_ address: IPAddress) -> Bool {
        guard let inbound else { return true }
        let address = address.unmapped
        return inbound.contains { $0.contains(address) }
    }
}

/// The outside of an open tunnel.
public struct TunnelEndpoint: Sendable, Hashable {
    /// Inside.
    public var port: UInt16
    public var kind: TunnelKind
    public var host: String
    /// Outside.
    public var hostPort: UInt16

    public init(port: UInt16, kind: TunnelKind, host: String, hostPort: UInt16) {
        self.port = port
        self.kind = kind
        self.host = host
        self.hostPort = hostPort
    }
}
