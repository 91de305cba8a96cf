import SandboxModel

/// A sandbox's tunnels as JSON on disk, under the same promise as `SandboxSpecRow`.
struct TunnelsRow: Codable {
    var ports: [PortRow]
    var inbound: [String]?

    struct PortRow: Codable {
        var port: UInt16
        var kind: String
        var hostPort: UInt16?
        var name: String?

        enum CodingKeys: String, CodingKey {
            case port, kind, name
            case hostPort = "host_port"
        }
    }

    /// nil where there are none.
    init?(_ tunnels: TunnelSpec) {
        guard !tunnels.isEmpty else { return nil }
        ports = tunnels.ports.map { port in
            var row = PortRow(port: port.port, kind: port.kind.rawValue)
            switch port.place {
            case .port(let number): row.hostPort = number
            case .name(let name): row.name = name
            case nil: break
            }
            return row
        }
        inbound = tunnels.inbound?.map(\.description)
    }

    func spec() throws -> TunnelSpec {
        try TunnelSpec(
            try ports.map { row in
                TunnelPort(
                    port: row.port, kind: try RowShape.value(row.kind, of: TunnelKind.self),
                    place: row.hostPort.map { .port($0) } ?? row.name.map { .name($0) })
            }, inbound: try inbound?.map { try RowShape.id($0) { AddressRange($0) } })
    }
}
