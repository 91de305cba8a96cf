/// One port of a sandbox as it is reached from outside.
public struct Tunnel: Sendable, Hashable, Codable {
    /// Inside.
    public var containerPort: Int
    /// `encrypted`, `h2` or `unencrypted`.
    public var type: String
    public var host: String
    public var port: Int
    /// `https://…`, or `tcp://…` where it isn't encrypted.
    public var url: String

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case containerPort = "container_port"
        case type, host, port, url
    }

    public init(containerPort: Int, type: String, host: String, port: Int, url: String) {
        self.containerPort = containerPort
        self.type = type
        self.host = host
        self.port = port
        self.url = url
    }
}

/// A sandbox's tunnels, in the order in which they were asked for.
public struct TunnelList: Sendable, Hashable, Codable {
    public var tunnels: [Tunnel]

    public init(tunnels: [Tunnel]) { self.tunnels = tunnels }
}

/// Whether a sandbox is ready, and since when.
public struct ReadyResponse: Sendable, Hashable, Codable {
    public var ready: Bool
    /// Null while it isn't.
    public var readyAt: APITime?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case ready
        case readyAt = "ready_at"
    }

    public init(readyAt: APITime?) {
        ready = readyAt != nil
        self.readyAt = readyAt
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(ready, forKey: .ready)
        try container.encode(readyAt, forKey: .readyAt)
    }
}
