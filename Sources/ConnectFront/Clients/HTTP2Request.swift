import NIOHPACK

extension RequestHead {
    /// The request that a stream's first header block asks for. The codec has checked what RFC 9113, section 8,
    /// says of HTTP/2; this checks what HTTP/1.1 behind needs beside.
    package init(_ headers: HPACKHeaders, endsStream: Bool) throws(MalformedMessage) {
        let method = try Self.one(":method", headers) ?? ""
        let isWebSocket = method == "CONNECT" && !headers[":protocol"].isEmpty
        let wanted = try Self.one(":protocol", headers)
        guard !isWebSocket || wanted == "websocket" else {
            throw MalformedMessage("an extended CONNECT for something other than a WebSocket")
        }
        guard method != "CONNECT" || isWebSocket else {
            throw MalformedMessage("CONNECT isn't offered here", status: 405)
        }
        let fields = try Self.fields(headers)
        let hosts = fields["host"]
        guard let authority = try Self.one(":authority", headers) ?? hosts.first else {
            throw MalformedMessage("no host")
        }
        guard hosts.allSatisfy({ $0.isSameToken(as: authority) }), hosts.count <= 1 else {
            throw MalformedMessage(":authority and host name different hosts")
        }
        let length = try fields.contentLength()
        var others = fields
        for name in ["host", "content-length"] { others.remove(name) }
        let body: BodyFraming = endsStream || isWebSocket ? .none : length.map { .length($0) } ?? .chunked
        guard !endsStream || length ?? 0 == 0 else { throw MalformedMessage("a body shorter than said") }
        self.init(
            method: isWebSocket ? "GET" : method, target: try Self.one(":path", headers) ?? "", authority: authority,
            fields: others, version: .http2, body: body)
        self.isWebSocket = isWebSocket
        try check()
    }

    private static func one(_ name: String, _ headers: HPACKHeaders) throws(MalformedMessage) -> String? {
        let values = headers[name]
        guard values.count <= 1 else { throw MalformedMessage("\(name) more than once") }
        return values.first
    }

    /// The regular fields; a header block can carry bytes that HTTP/1.1 has as its own.
    private static func fields(_ headers: HPACKHeaders) throws(MalformedMessage) -> MessageFields {
        let limits = HeadReader.Limits()
        guard headers.count <= limits.fields + 5 else { throw MalformedMessage("too many fields", status: 431) }
        var all: [MessageFields.Field] = []
        var bytes = 0
        for (name, value, _) in headers {
            bytes += name.utf8.count + value.utf8.count
            guard value.utf8.allSatisfy(\.isFieldByte) else { throw MalformedMessage("a control character in a field") }
            guard name.utf8.count + value.utf8.count <= limits.lineBytes, bytes <= limits.headBytes else {
                throw MalformedMessage("the head is too large", status: 431)
            }
            if name.hasPrefix(":") { continue }
            guard !name.isEmpty, name.utf8.allSatisfy({ $0.isTokenByte && !(65...90).contains($0) }) else {
                throw MalformedMessage("a field whose name is no token")
            }
            guard !forbidden.contains(name), name != "te" || value == "trailers" else {
                throw MalformedMessage("a field that HTTP/2 doesn't have")
            }
            all.append(MessageFields.Field(name, value.trimmingBlanks()))
        }
        return MessageFields(all)
    }

    /// RFC 9113, section 8.2.2.
    private static let forbidden: Set = [
        "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade",
    ]
}
