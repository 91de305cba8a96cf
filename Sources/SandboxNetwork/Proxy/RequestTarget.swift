import NIOHTTP1

/// Which host a request is for (RFC 9112, 3.2 and 3.3).
package enum RequestTarget {
    package enum Reading: Hashable, Sendable {
        case host(String)
        case refused(String)
    }

    /// - Parameter port: of the connection's original destination.
    package static func read(_ head: HTTPRequestHead, port: UInt16) -> Reading {
        guard head.version == .http1_1 || head.version == .http1_0 else { return .refused("not HTTP/1") }
        guard head.method != .CONNECT else { return .refused("CONNECT") }
        let hosts = head.headers["host"]
        guard hosts.count == 1 else { return .refused(hosts.isEmpty ? "HTTP without Host" : "HTTP with two Hosts") }
        guard let host = HostName.inHostField(hosts[0], port: port) else {
            return .refused("a Host that is no domain name")
        }
        // In origin form, or `*`, or in absolute form, whose host goes before Host.
        if head.uri.hasPrefix("/") || head.uri == "*" { return .host(host) }
        guard let authority = authority(ofAbsolute: head.uri),
            HostName.inHostField(authority, port: port) == host
        else { return .refused("a request target that doesn't fit Host") }
        return .host(host)
    }

    private static func authority(ofAbsolute uri: String) -> String? {
        let scheme = "http://"
        guard uri.lowercased().hasPrefix(scheme) else { return nil }
        let rest = uri.utf8.dropFirst(scheme.utf8.count)
        let end = rest.firstIndex { [UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#")].contains($0) }
        return String(rest[..<(end ?? rest.endIndex)])
    }
}
