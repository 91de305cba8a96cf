/// What a client asks for, in the terms that HTTP/1.1 and HTTP/2 share.
package struct RequestHead: Sendable, Hashable {
    package enum Version: Sendable, Hashable {
        case http10
        case http11
        case http2
    }

    package var method: String
    /// A path with its query, or `*`.
    package var target: String
    /// The host, with its port where the client named one.
    package var authority: String
    /// `Host` and what says how long the body is are not among them.
    package var fields: MessageFields
    package var version: Version
    package var body: BodyFraming
    /// Whether it asks for a WebSocket: by an upgrade, or by an extended CONNECT (RFC 8441).
    package var isWebSocket = false

    package init(
        method: String, target: String, authority: String, fields: MessageFields = MessageFields(),
        version: Version = .http11, body: BodyFraming = .none
    ) {
        self.method = method
        self.target = target
        self.authority = authority
        self.fields = fields
        self.version = version
        self.body = body
    }
}

/// What a server answers.
package struct ResponseHead: Sendable, Hashable {
    package var status: Int
    package var reason: String
    package var fields: MessageFields
    package var body: BodyFraming
    /// Whether the server speaks HTTP/1.0.
    package var isHTTP10 = false

    package init(status: Int, reason: String, fields: MessageFields = MessageFields(), body: BodyFraming = .none) {
        self.status = status
        self.reason = reason
        self.fields = fields
        self.body = body
    }

    package var isInformational: Bool { (100..<200).contains(status) }
}

/// How a message says where its body ends (RFC 9112, section 6.3).
package enum BodyFraming: Sendable, Hashable {
    case none
    case length(Int)
    case chunked
    /// Responses alone.
    case untilClose
}

/// Bytes that aren't HTTP, or are of the kind that two readers could understand differently.
package struct MalformedMessage: Error, Sendable, Hashable {
    /// What a client that sent them is answered.
    package var status: Int
    package var reason: String

    package init(_ reason: String, status: Int = 400) {
        self.status = status
        self.reason = reason
    }
}
