extension RequestHead {
    /// The request that a head's lines spell. Refuses whatever could be read in two ways.
    package init(lines: [String]) throws(MalformedMessage) {
        guard let line = lines.first else { throw MalformedMessage("no request line") }
        let parts = line.split(on: " ")
        guard parts.count == 3 else { throw MalformedMessage("the request line isn't METHOD TARGET VERSION") }
        let version: Version
        switch parts[2] {
        case "HTTP/1.1": version = .http11
        case "HTTP/1.0": version = .http10
        case let other where other.hasPrefix("HTTP/"):
            throw MalformedMessage("a version that isn't spoken here", status: 505)
        default: throw MalformedMessage("no HTTP version")
        }
        var fields = try MessageFields(lines: lines.dropFirst())
        let body = try Self.framing(fields, version)
        let authority = try Self.host(fields, version)
        let target = try Self.split(target: parts[1])
        if let named = target.authority, !named.isSameToken(as: authority) {
            throw MalformedMessage("the target and Host name different hosts")
        }
        for name in ["host", "content-length", "transfer-encoding"] { fields.remove(name) }
        self.init(
            method: parts[0], target: target.path, authority: authority, fields: fields, version: version,
            body: body)
        try check()
        let upgrades = fields.elements(of: "upgrade")
        if version == .http11, method == "GET", upgrades == ["websocket"],
            fields.elements(of: "connection").contains("upgrade")
        {
            guard body == .none else { throw MalformedMessage("a WebSocket handshake with a body") }
            isWebSocket = true
        }
    }

    /// What holds of a request however it came.
    func check() throws(MalformedMessage) {
        guard (1...32).contains(method.utf8.count), method.utf8.allSatisfy(\.isTokenByte) else {
            throw MalformedMessage("the method is no token")
        }
        guard method != "CONNECT", method != "TRACE", method != "PRI" else {
            throw MalformedMessage("\(method) isn't offered here", status: 405)
        }
        guard target.utf8.first == UInt8(ascii: "/") || (target == "*" && method == "OPTIONS"),
            target.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "#") })
        else { throw MalformedMessage("the target is no path") }
        guard Self.isAuthority(authority) else { throw MalformedMessage("the host is none") }
    }

    private static func framing(_ fields: MessageFields, _ version: Version) throws(MalformedMessage) -> BodyFraming {
        let length = try fields.contentLength()
        let codings = fields["transfer-encoding"]
        guard !codings.isEmpty else { return length.map { $0 == 0 ? .none : .length($0) } ?? .none }
        guard length == nil else { throw MalformedMessage("both Content-Length and Transfer-Encoding") }
        guard version == .http11 else { throw MalformedMessage("Transfer-Encoding in HTTP/1.0") }
        guard codings.count == 1, codings[0].isSameToken(as: "chunked") else {
            throw MalformedMessage("a Transfer-Encoding that isn't chunked alone")
        }
        return .chunked
    }

    private static func host(_ fields: MessageFields, _ version: Version) throws(MalformedMessage) -> String {
        let given = fields["host"]
        guard given.count == 1 || (given.isEmpty && version == .http10) else {
            throw MalformedMessage(given.isEmpty ? "no Host" : "Host more than once")
        }
        return given.first ?? "localhost"
    }

    /// A target in origin form stays; one in absolute form is taken apart (RFC 9112, section 3.2).
    private static func split(
        target: String
    ) throws(MalformedMessage) -> (path: String, authority: String?) {
        for scheme in ["http://", "https://"] where target.prefix(scheme.count).isSameToken(as: scheme) {
            let rest = target.dropFirst(scheme.count)
            let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
            let path = rest[end...]
            return (path.hasPrefix("/") ? String(path) : "/" + path, String(rest[..<end]))
        }
        return (target, nil)
    }

    /// A name, an IPv4 address or a bracketed IPv6 address, with or without a port.
    private static func isAuthority(_ text: String) -> Bool {
        var host = text[...]
        if let colon = host.lastIndex(of: ":"), !host[colon...].contains("]") {
            let port = host[host.index(after: colon)...]
            guard port.utf8.count <= 5, port.utf8.allSatisfy({ (48...57).contains($0) }) else { return false }
            host = host[..<colon]
        }
        guard (1...253).contains(host.utf8.count) else { return false }
        if host.hasPrefix("[") {
            return host.hasSuffix("]")
                && host.dropFirst().dropLast().utf8.allSatisfy { "0123456789abcdefABCDEF:.".utf8.contains($0) }
        }
        return host.utf8.allSatisfy { byte in
            switch byte {
            case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
            default: false
            }
        }
    }
}
