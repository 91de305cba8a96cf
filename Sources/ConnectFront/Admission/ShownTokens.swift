import SandboxModel

/// Takes connect tokens out of a request: from `Authorization`, the query, and cookies.
package struct ShownTokens: Sendable, Hashable {
    /// The name of the cookie and of the query's parameter.
    package static let name = "_modal_connect_token"
    /// Cookies of that name that are looked at; pages can set more.
    private static let maximumCookies = 8

    /// Where a token was shown; the first of these that there is decides.
    package enum Place: Sendable, Hashable {
        case authorization
        case query
        case cookie
    }

    package private(set) var place: Place?
    /// What was shown there: one, unless cookies disagree.
    package private(set) var candidates: [String] = []

    /// Removes every token from `head`, wherever it stands.
    package init(takenFrom head: inout RequestHead) throws(MalformedMessage) {
        let authorization = try Self.takeAuthorization(&head)
        let query = try Self.takeQuery(&head)
        let cookies = Self.takeCookies(&head)
        if let authorization {
            (place, candidates) = (.authorization, [authorization])
        } else if let query {
            (place, candidates) = (.query, [query])
        } else if !cookies.isEmpty {
            (place, candidates) = (.cookie, cookies)
        }
        try Self.sweep(&head, of: [authorization, query].compactMap { $0 } + cookies)
    }

    /// A bearer token of our kind; what is of another kind is the application's own.
    private static func takeAuthorization(_ head: inout RequestHead) throws(MalformedMessage) -> String? {
        let given = head.fields["authorization"]
        guard let text = given.first else { return nil }
        guard given.count == 1 else { throw MalformedMessage("Authorization more than once") }
        guard let (scheme, value) = text.cut(at: " "), scheme.isSameToken(as: "bearer") else { return nil }
        let token = value.trimmingBlanks()
        guard ConnectTokenText.isOne(token) else { return nil }
        head.fields.remove("authorization")
        return token
    }

    private static func takeQuery(_ head: inout RequestHead) throws(MalformedMessage) -> String? {
        guard let (path, query) = head.target.cut(at: "?") else { return nil }
        var shown: [String] = []
        let others = query.split(on: "&").filter { pair in
            let (name, value) = pair.cut(at: "=") ?? (pair, "")
            guard decoded(name) == Self.name else { return true }
            shown.append(decoded(value))
            return false
        }
        guard let token = shown.first else { return nil }
        guard shown.count == 1 else { throw MalformedMessage("the query shows a connect token more than once") }
        head.target = others.isEmpty ? path : path + "?" + others.joined(separator: "&")
        return token
    }

    private static func takeCookies(_ head: inout RequestHead) -> [String] {
        let lines = head.fields["cookie"]
        var shown: [String] = []
        var others: [String] = []
        for pair in lines.flatMap({ $0.split(on: ";") }) {
            let text = pair.trimmingBlanks()
            guard let (name, value) = text.cut(at: "="), name.trimmingBlanks() == Self.name else {
                if !text.isEmpty { others.append(text) }
                continue
            }
            let token = value.trimmingBlanks()
            if !shown.contains(token), shown.count < maximumCookies { shown.append(token) }
        }
        guard !lines.isEmpty else { return [] }
        head.fields.remove("cookie")
        if !others.isEmpty { head.fields.append("Cookie", others.joined(separator: "; ")) }
        return shown
    }

    /// Where else a token may stand, it goes: a `Referer` repeats the address of the page before.
    private static func sweep(_ head: inout RequestHead, of tokens: [String]) throws(MalformedMessage) {
        let secrets = tokens.filter(ConnectTokenText.isOne)
        head.fields.removeAll { field in
            field.value.contains(Self.name + "=") && field.name.isSameToken(as: "referer")
                || secrets.contains { field.value.contains($0) || field.name.contains($0) }
        }
        guard !secrets.contains(where: { head.target.contains($0) || head.authority.contains($0) }) else {
            throw MalformedMessage("a connect token where none belongs")
        }
    }

    /// Percent-decoded; what can't be is left as it is.
    private static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
