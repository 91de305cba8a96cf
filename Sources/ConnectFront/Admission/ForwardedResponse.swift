extension ResponseHead {
    /// The head as a client gets it; how long the body is, is still to be said.
    ///
    /// - Parameter isWebSocket: whether it accepts a WebSocket: its fields stay then.
    package func forwarded(isWebSocket: Bool) -> ResponseHead {
        var head = self
        FieldRules.removeHopByHop(&head.fields)
        FieldRules.removeUnwanted(fromAnswer: &head.fields)
        head.fields = MessageFields(
            head.fields.all.compactMap { field in
                guard field.name.isSameToken(as: "set-cookie") else { return field }
                return SandboxCookie.admitted(field.value).map { MessageFields.Field(field.name, $0) }
            })
        // With HEAD and 304 the length is of a body that isn't sent.
        if body == .none, let length = fields["content-length"].first {
            head.fields.append("Content-Length", length)
        }
        if isWebSocket {
            head.fields.append("Connection", "Upgrade")
            head.fields.append("Upgrade", "websocket")
        }
        return head
    }
}

/// Cookies that sandboxes set.
package enum SandboxCookie {
    /// The cookie as it goes on: for this host alone. nil for one that a browser would send back as a connect
    /// token.
    package static func admitted(_ text: String) -> String? {
        let parts = text.split(on: ";")
        // A cookie without a name is sent as its value alone, which can look like any other cookie.
        let pair = String(parts[0].utf8.drop { $0 == 32 || $0 == 9 || $0 == UInt8(ascii: "=") }) ?? ""
        let name = (pair.cut(at: "=")?.before ?? pair).trimmingBlanks()
        guard name != ShownTokens.name else { return nil }
        return parts.filter { part in
            !(part.cut(at: "=")?.before ?? part).trimmingBlanks().isSameToken(as: "domain")
        }.joined(separator: ";")
    }
}
