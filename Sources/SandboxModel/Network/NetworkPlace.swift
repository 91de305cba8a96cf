/// Where a sandbox is on its instance's network.
public struct NetworkPlace: Sendable, Hashable {
    /// The router as sandboxes of every instance see it: their resolver.
    public static let routerAddress = IPAddress(v4: 0xa9fe_3535)
    /// Where the router's name proxy listens.
    public static let proxyPort: UInt16 = 5380

    /// How long the prefix of an instance's block of addresses is: 8,192 of them.
    public static let blockPrefix = 19
    /// A sandbox's interface in the router has this above its number in the block.
    public static let interfaceBase: UInt32 = 1000

    public var v4: IPAddress
    /// nil where sandboxes have no IPv6.
    public var v6: IPAddress?

    /// The router's end of the pair, by its index: what comes in there comes from this place, whatever it says.
    public var routerInterface: UInt32 {
        let numbers = UInt128(1) << UInt128(32 - Self.blockPrefix)
        return Self.interfaceBase + UInt32(v4.number % numbers)
    }

    public init(v4: IPAddress, v6: IPAddress?) {
        self.v4 = v4
        self.v6 = v6
    }
}

/// One attempt of a sandbox to go where it may not.
public struct NetworkDenial: Sendable, Hashable {
    /// `tcp`, `udp`, `icmp` or a number.
    public var transport: String
    public var address: IPAddress?
    public var port: UInt16?
    /// The name that was asked for, where there was one.
    public var name: String?
    /// What it breaks: `policy`, `metadata`, `private`, …
    public var rule: String

    public init(transport: String, address: IPAddress?, port: UInt16?, name: String? = nil, rule: String) {
        self.transport = transport
        self.address = address
        self.port = port
        self.name = name
        self.rule = rule
    }
}

extension NetworkDenial: CustomStringConvertible {
    /// As events tell it.
    public var description: String {
        var place = address.map { $0.family == .v6 && port != nil ? "[\($0)]" : "\($0)" } ?? ""
        if let port { place += ":\(port)" }
        let target = [name ?? "", place].filter { !$0.isEmpty }.joined(separator: " at ")
        return target.isEmpty ? "\(transport) (rule: \(rule))" : "\(transport) to \(target) (rule: \(rule))"
    }
}
