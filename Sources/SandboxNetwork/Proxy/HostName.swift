/// Names of hosts as clients write them in greetings and heads.
package enum HostName {
    /// The name in lower case without a dot at the end; nil for what isn't one.
    package static func normalize(_ bytes: some Collection<UInt8>) -> String? {
        var text = bytes.map { (65...90).contains($0) ? $0 + 0x20 : $0 }
        if text.last == UInt8(ascii: ".") { text.removeLast() }
        guard (1...253).contains(text.count),
            text.allSatisfy({
                (97...122).contains($0) || (48...57).contains($0)
                    || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_")].contains($0)
            }),
            text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
                .allSatisfy({ (1...63).contains($0.count) })
        else { return nil }
        return String(decoding: text, as: UTF8.self)
    }

    /// The name in a Host field (RFC 9110, 7.2), which may have a port: that of the connection, or none.
    package static func inHostField(_ value: String, port: UInt16) -> String? {
        let parts = value.utf8.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 {
            let digits = parts[1]
            guard digits.isEmpty || (digits.allSatisfy({ (48...57).contains($0) }) && UInt16(Substring(digits)) == port)
            else { return nil }
        }
        return normalize(parts[0])
    }
}
