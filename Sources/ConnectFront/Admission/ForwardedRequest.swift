import SandboxModel

/// Who a request is from, as far as this proxy knows.
package struct ClientAddress: Sendable, Hashable {
    /// Without brackets.
    package var host: String
    package var isSecure: Bool

    package init(host: String, isSecure: Bool) {
        self.host = host
        self.isSecure = isSecure
    }
}

extension RequestHead {
    /// The head as the sandbox gets it: HTTP/1.1, one request on a connection of its own, with everything that
    /// only this proxy may say said by it.
    ///
    /// - Parameter key: `Sec-WebSocket-Key`, where the client's version of HTTP has none.
    package func forwarded(for grant: ConnectGrant, from client: ClientAddress, key: String?) -> RequestHead {
        var head = self
        head.version = .http11
        FieldRules.removeHopByHop(&head.fields)
        FieldRules.removeSpoofed(&head.fields)
        // HTTP/1.0 has no 100, and nothing can be waited for without a body.
        if version == .http10 || body == .none { head.fields.remove("expect") }
        if isWebSocket {
            head.method = "GET"
            head.fields.append("Connection", "Upgrade")
            head.fields.append("Upgrade", "websocket")
            if let key {
                for name in ["sec-websocket-key", "sec-websocket-version"] { head.fields.remove(name) }
                head.fields.append("Sec-WebSocket-Key", key)
                head.fields.append("Sec-WebSocket-Version", "13")
            }
        } else {
            head.fields.append("Connection", "close")
        }
        switch body {
        case .length(let bytes): head.fields.append("Content-Length", String(bytes))
        case .chunked: head.fields.append("Transfer-Encoding", "chunked")
        case .none where ["POST", "PUT", "PATCH"].contains(method): head.fields.append("Content-Length", "0")
        case .none, .untilClose: break
        }
        head.appendOrigin(of: client)
        if let metadata = grant.metadata { head.fields.append(FieldRules.verifiedUser, metadata.fieldValue) }
        return head
    }

    private mutating func appendOrigin(of client: ClientAddress) {
        let proto = client.isSecure ? "https" : "http"
        let node = client.host.contains(":") ? "\"[\(client.host)]\"" : client.host
        fields.append("X-Forwarded-For", client.host)
        fields.append("X-Forwarded-Host", authority)
        fields.append("X-Forwarded-Proto", proto)
        fields.append("Forwarded", "for=\(node);host=\"\(authority)\";proto=\(proto)")
        fields.append("Via", "1.1 cordon")
    }
}
