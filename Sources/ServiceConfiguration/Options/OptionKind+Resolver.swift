import SandboxModel

extension OptionKind where Value == String {
    static let resolver = OptionKind(
        rule: "an address, ADDRESS:PORT or [IPV6]:PORT",
        parse: { texts in
            guard let text = texts.first, isServer(text) else { return nil }
            return text
        }, show: { .text($0) })

    private static func isServer(_ text: String) -> Bool {
        if IPAddress(text) != nil { return true }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return false
        }
        let host = text[..<colon]
        guard host.hasPrefix("["), host.hasSuffix("]") else { return IPAddress(host)?.family == .v4 }
        return IPAddress(host.dropFirst().dropLast())?.family == .v6
    }
}
