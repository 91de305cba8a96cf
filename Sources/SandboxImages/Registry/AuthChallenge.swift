/// What a registry asks for with `WWW-Authenticate` (RFC 9110, 11.6.1; the distribution project's token.md).
package enum AuthChallenge: Sendable, Hashable {
    case basic
    /// Ask `realm` for a token.
    case bearer(realm: String, service: String?, scope: String?)

    /// nil for other schemes, and for a bearer challenge without a realm.
    package init?(_ text: String) {
        let halves = text.split(separator: " ", maxSplits: 1)
        switch halves.first?.lowercased() {
        case "basic": self = .basic
        case "bearer":
            let parameters = Self.parameters(halves.count > 1 ? halves[1] : "")
            guard let realm = parameters["realm"] else { return nil }
            self = .bearer(realm: realm, service: parameters["service"], scope: parameters["scope"])
        default: return nil
        }
    }

    /// `name="value"` pairs, separated by commas; values may hold commas.
    private static func parameters(_ text: Substring) -> [String: String] {
        var found: [String: String] = [:]
        var rest = text
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].drop { $0 == " " || $0 == "," }.lowercased()
            rest = rest[rest.index(after: equals)...]
            var value = ""
            if rest.first == "\"" {
                rest.removeFirst()
                while let character = rest.popFirst(), character != "\"" {
                    value.append(character == "\\" ? (rest.popFirst() ?? "\\") : character)
                }
            } else {
                value = String(rest.prefix { $0 != "," })
                rest = rest.dropFirst(value.count)
            }
            found[name] = value
        }
        return found
    }
}
