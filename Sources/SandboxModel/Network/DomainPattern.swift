/// An entry of a `domain_allowlist`: a name, which means itself alone, or `*.` and a name, which means
/// every name below that one, at any depth, and not the name itself.
public struct DomainPattern: Sendable, Hashable, CustomStringConvertible {
    /// In lower case, without a dot at the end.
    public let text: String

    /// Throws `invalidArgument` for `field` when `text` isn't such a name, with the rule that it breaks.
    ///
    /// Names have two labels at least, so that no entry means a whole top-level domain. Names beyond ASCII
    /// are given in their ASCII form: what their characters map to is up to whoever registered them.
    public init(_ text: String, field: String) throws(CordonError) {
        var name = String(decoding: text.utf8.map(Self.lowercase), as: UTF8.self)
        if name.utf8.last == UInt8(ascii: ".") { name.removeLast() }
        if let rule = Self.brokenRule(name) { throw .invalid(field: field, value: text, rule: rule) }
        self.text = name
    }

    /// The name whose sub-domains are meant; nil for a pattern that means one name.
    public var parent: String? { text.hasPrefix("*.") ? String(text.dropFirst(2)) : nil }

    public var description: String { text }

    private static func lowercase(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 0x20 : byte
    }

    private static func brokenRule(_ text: String) -> String? {
        if IPAddress(text) != nil { return "an address isn't a name; it goes into cidr_allowlist" }
        guard text.utf8.allSatisfy({ $0 < 0x80 }) else {
            return "names beyond ASCII are given in their ASCII form (xn--…)"
        }
        let name = text.hasPrefix("*.") ? text.dropFirst(2) : text[...]
        guard !name.utf8.contains(UInt8(ascii: "*")) else {
            return "* stands alone and first, as in *.example.com"
        }
        guard (1...253).contains(name.utf8.count) else { return "a domain name of 1–253 characters" }
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard labels.allSatisfy({ (1...63).contains($0.count) }) else {
            return "every label of a domain name has 1–63 characters"
        }
        guard labels.allSatisfy({ $0.allSatisfy(isLabelByte) && $0.first != hyphen && $0.last != hyphen }) else {
            return "labels are of [A-Za-z0-9_-], without - first or last"
        }
        guard labels.count >= 2 else { return "a domain name of two labels at least, such as example.com" }
        // What the C library and URLs would take for an address, such as 127.1.
        guard labels.last?.contains(where: { !(48...57).contains($0) }) == true, !isHexadecimal(labels.last) else {
            return "the last label of a domain name isn't a number"
        }
        return nil
    }

    private static let hyphen = UInt8(ascii: "-")

    private static func isHexadecimal(_ label: Substring.UTF8View?) -> Bool {
        label?.starts(with: "0x".utf8) == true
    }

    private static func isLabelByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
