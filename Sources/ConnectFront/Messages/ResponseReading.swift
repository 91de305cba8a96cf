extension ResponseHead {
    /// The answer that a head's lines spell, to a request of `method`. What a sandbox sends is as hostile as
    /// what a client sends.
    package init(lines: [String], to method: String) throws(MalformedMessage) {
        guard let line = lines.first else { throw MalformedMessage("no status line") }
        let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0", parts[1].utf8.count == 3,
            parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let status = Int(parts[1]),
            (100..<600).contains(status)
        else { throw MalformedMessage("no status line") }
        var fields = try MessageFields(lines: lines.dropFirst())
        let body = try Self.framing(fields, status: status, method: method, isHTTP10: parts[0] == "HTTP/1.0")
        // HEAD and 304 say how long the body would be that they don't have.
        if body == .none, method == "HEAD" || status == 304 {
            fields.remove("transfer-encoding")
        } else {
            for name in ["content-length", "transfer-encoding"] { fields.remove(name) }
        }
        self.init(status: status, reason: parts.count > 2 ? String(parts[2]) : "", fields: fields, body: body)
        isHTTP10 = parts[0] == "HTTP/1.0"
    }

    private static func framing(
        _ fields: MessageFields, status: Int, method: String, isHTTP10: Bool
    ) throws(MalformedMessage) -> BodyFraming {
        let length = try fields.contentLength()
        let codings = fields["transfer-encoding"]
        if method == "HEAD" || status < 200 || status == 204 || status == 304 { return .none }
        guard !codings.isEmpty else { return length.map { $0 == 0 ? .none : .length($0) } ?? .untilClose }
        guard length == nil, !isHTTP10, codings.count == 1, codings[0].isSameToken(as: "chunked") else {
            throw MalformedMessage("a body of which it isn't clear where it ends")
        }
        return .chunked
    }
}
