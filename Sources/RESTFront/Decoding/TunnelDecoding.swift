import CordonAPI
import SandboxModel

extension TunnelSpec {
    /// The tunnels that a `CreateSandboxRequest`'s fields ask for.
    init(_ fields: FieldReader<CreateSandboxRequest.CodingKeys>) throws(CordonError) {
        let kinds: [(CreateSandboxRequest.CodingKeys, TunnelKind)] = [
            (.encryptedPorts, .encrypted), (.h2Ports, .h2), (.unencryptedPorts, .unencrypted),
        ]
        var ports: [TunnelPort] = []
        for (key, kind) in kinds {
            let numbers = try fields.wholes(key, in: 1...65_535) ?? []
            // Tunnels are part of the network that such a sandbox does without.
            let isBlocked = try fields.bool(.blockNetwork) == true
            guard numbers.isEmpty || !isBlocked else {
                throw .invalid(field: fields.field(key), value: nil, rule: "no ports with block_network")
            }
            ports += numbers.map { TunnelPort(port: UInt16($0), kind: kind) }
        }
        var ranges: [AddressRange]?
        if let texts = try fields.strings(.inboundCIDRAllowlist) {
            var read: [AddressRange] = []
            for (index, text) in texts.enumerated() {
                guard let range = AddressRange(text) else {
                    throw .invalid(
                        field: "\(fields.field(.inboundCIDRAllowlist))[\(index)]", value: text,
                        rule: "an address, or a range as address/prefix with no bit set behind the prefix")
                }
                read.append(range)
            }
            guard !ports.isEmpty else {
                throw .invalid(field: fields.field(.inboundCIDRAllowlist), value: nil, rule: "only with ports to reach")
            }
            ranges = read
        }
        try self.init(ports, inbound: ranges)
    }
}

extension ReadinessProbe {
    /// The probe that a `ProbeRequest` asks for.
    init(json: JSONValue, path: String) throws(CordonError) {
        let fields = try FieldReader<ProbeRequest.CodingKeys>(json, path: path)
        let port = try fields.whole(.tcpPort, in: 1...65_535)
        let argv = try fields.strings(.argv)
        let check: Check
        switch (port, argv) {
        case (let port?, nil): check = .tcp(port: UInt16(port))
        case (nil, let argv?): check = .exec(try CommandSpec(argv: argv, field: fields.field(.argv)))
        default: throw .invalid(field: path, value: nil, rule: "either tcp_port or argv")
        }
        try self.init(
            check, interval: try fields.duration(.intervalSeconds, upTo: Self.longestInterval) ?? .seconds(1),
            timeout: try fields.duration(.timeoutSeconds, upTo: Self.longestTimeout) ?? .seconds(5))
    }
}
