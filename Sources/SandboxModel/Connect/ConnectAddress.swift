/// Where clients reach the connect proxy: `https://connect.example.org:8443`, or `https://*.connect.example.org`
/// for a host of its own for each port of each sandbox, which browsers then keep apart.
public struct ConnectAddress: Sendable, Hashable, CustomStringConvertible {
    public let isSecure: Bool
    /// Without the `*.` of one with a host for each; an IPv6 address without its brackets.
    public let host: String
    /// nil for the scheme's own.
    public let port: Int?
    public let hasHostForEach: Bool

    public init(isSecure: Bool, host: String, port: Int?) {
        self.isSecure = isSecure
        self.host = host
        self.port = port
        hasHostForEach = false
    }

    /// nil for what isn't `http[s]://[*.]HOST[:PORT]`.
    public init?(_ text: String) {
        let schemes = [("https://", true), ("http://", false)]
        guard let (scheme, isSecure) = schemes.first(where: { text.hasPrefix($0.0) }) else { return nil }
        var rest = text.dropFirst(scheme.count)
        if rest.last == "/" { rest.removeLast() }
        hasHostForEach = rest.hasPrefix("*.")
        if hasHostForEach { rest = rest.dropFirst(2) }
        var port: Int?
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
            guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else { return nil }
            port = Int(number)
            rest = rest[..<colon]
        }
        let isBracketed = rest.hasPrefix("[") && rest.hasSuffix("]")
        if isBracketed { rest = rest.dropFirst().dropLast() }
        guard (1...200).contains(rest.utf8.count), isBracketed == rest.contains(":"), !(isBracketed && hasHostForEach),
            rest.utf8.allSatisfy({ byte in
                switch byte {
                case 48...57, 97...122, UInt8(ascii: "-"), UInt8(ascii: "."): true
                case UInt8(ascii: ":"): isBracketed
                default: false
                }
            })
        else { return nil }
        self.isSecure = isSecure
        self.host = String(rest)
        self.port = port
    }

    /// The URL that leads to one port of one sandbox.
    public func url(to port: UInt16, of id: SandboxID) -> String {
        "\(scheme)://\(hasHostForEach ? "\(Self.label(port, id)).\(host)" : bracketed)\(suffix)/"
    }

    /// Whether a request for this host may be for that port: any where there is one host for all.
    public func leads(_ authority: String, to port: UInt16, of id: SandboxID) -> Bool {
        guard hasHostForEach else { return true }
        let named = authority.prefix { $0 != ":" }
        return named.lowercased() == "\(Self.label(port, id)).\(host)"
    }

    public var description: String { "\(scheme)://\(hasHostForEach ? "*.\(host)" : bracketed)\(suffix)" }

    private var scheme: String { isSecure ? "https" : "http" }
    private var suffix: String { port.map { ":\($0)" } ?? "" }
    private var bracketed: String { host.contains(":") ? "[\(host)]" : host }

    private static func label(_ port: UInt16, _ id: SandboxID) -> String { "\(id)-\(port)" }
}
