/// What the proxy says in a server's place.
struct ProxyAnswer {
    private let status: String
    private let text: String

    static func denied(_ name: String?, _ place: OriginalDestination.Place, _ rule: String) -> ProxyAnswer {
        ProxyAnswer(
            status: "403 Forbidden", text: "Denied: \(name ?? "no name") at \(place.address):\(place.port): \(rule).\n")
    }

    static func unreachable(_ name: String, _ place: OriginalDestination.Place) -> ProxyAnswer {
        ProxyAnswer(
            status: "502 Bad Gateway", text: "\(name) at \(place.address):\(place.port) can't be connected to.\n")
    }

    var bytes: [UInt8] {
        Array(
            """
            HTTP/1.1 \(status)\r
            Content-Type: text/plain\r
            Content-Length: \(text.utf8.count)\r
            Connection: close\r
            \r
            \(text)
            """.utf8)
    }
}
