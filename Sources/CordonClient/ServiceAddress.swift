/// Where the service is: `http[s]://host[:port]`.
struct ServiceAddress: Sendable, CustomStringConvertible {
    let isSecure: Bool
    /// Without brackets.
    let host: String
    let port: Int

    init(_ url: String) throws(ClientError) {
        let isSecure = url.hasPrefix("https://")
        guard isSecure || url.hasPrefix("http://") else {
            throw .credentials("\(url) isn't an http:// or https:// address")
        }
        let authority = url.dropFirst(isSecure ? 8 : 7).prefix { $0 != "/" }
        let isBracketed = authority.hasPrefix("[")
        let host = isBracketed ? authority.dropFirst().prefix { $0 != "]" } : authority.prefix { $0 != ":" }
        let rest = authority.dropFirst(host.count + (isBracketed ? 2 : 0))
        let port = rest.isEmpty ? (isSecure ? 443 : 80) : Int(rest.dropFirst())
        guard !host.isEmpty, !isBracketed || authority.contains("]"), rest.isEmpty || rest.hasPrefix(":"), let port,
            (1...65535).contains(port)
        else {
            throw .credentials("\(url) isn't an address of a host and a port")
        }
        self.isSecure = isSecure
        self.host = String(host)
        self.port = port
    }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
