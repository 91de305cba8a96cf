/// `HOST:PORT` of a listener; the host is a name, an IPv4 address, or an IPv6 address in brackets.
public struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// Without brackets.
    public let host: String
    /// 0 for one that the system chooses.
    public let port: Int

    static let standard = ListenAddress(host: "127.0.0.1", port: 7747)
    static let ephemeral = ListenAddress(host: "127.0.0.1", port: 0)

    private init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// nil for anything else, and for ports below 1024: the service holds no right to bind them.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
            port == 0 || port >= 1024
        else { return nil }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, host.utf8.count <= 253, isBracketed == host.contains(":"),
            host.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "/") })
        else { return nil }
        self.init(host: String(host), port: Int(port))
    }

    /// The host that clients on this machine reach it by: loopback, where it listens on every address.
    public var clientHost: String {
        switch host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: host
        }
    }

    /// Whether nobody but this machine reaches it.
    public var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

    public var description: String { Self.authority(host, port) }

    /// A host and a port as URLs spell them.
    public static func authority(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
