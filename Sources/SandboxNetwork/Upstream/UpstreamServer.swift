import NIOCore

/// A DNS server that we ask.
package struct UpstreamServer: Sendable, Hashable, CustomStringConvertible {
    package let address: SocketAddress

    package init(_ address: SocketAddress) { self.address = address }

    /// An IP address, or `ADDRESS:PORT` and `[ADDRESS]:PORT`; an IPv6 one may have a zone (`fe80::1%eth0`).
    /// nil for anything else.
    package init?(_ text: String) {
        var host = text[...]
        var port = 53
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.first == ":" else { return nil }
            if !rest.isEmpty {
                guard let number = UInt16(rest.dropFirst()), number > 0 else { return nil }
                port = Int(number)
            }
        } else if text.filter({ $0 == ":" }).count == 1, let colon = text.firstIndex(of: ":") {
            guard let number = UInt16(text[text.index(after: colon)...]), number > 0 else { return nil }
            host = text[..<colon]
            port = Int(number)
        }
        guard let address = Self.address(String(host), port: port) else { return nil }
        self.address = address
    }

    private static func address(_ host: String, port: Int) -> SocketAddress? {
        guard host.contains("%") else { return try? SocketAddress(ipAddress: host, port: port) }
        // Numeric, so nothing is looked up; only the system knows the numbers of zones.
        guard host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), host.contains(":") else { return nil }
        return try? SocketAddress.makeAddressResolvingHost(host, port: port)
    }

    package var description: String {
        "\(address.ipAddress ?? "?"):\(address.port ?? 0)"
    }
}
