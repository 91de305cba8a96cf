import SandboxModel

extension OptionKind where Value == String {
    /// Large enough for a block of one instance.
    static let addressPool = OptionKind(
        rule: "a range of IPv4 addresses with a prefix of at most 19 bits, within 10.0.0.0/8, 100.64.0.0/10, "
            + "172.16.0.0/12 or 192.168.0.0/16",
        parse: { texts in
            guard let text = texts.first, let range = AddressRange(text), range.family == .v4, range.prefix <= 19,
                isPrivate(range)
            else { return nil }
            return range.description
        }, show: { .text($0) })

    /// What sandboxes may reach beyond the internet.
    static let privateRange = OptionKind(
        rule:
            "a part of 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.0.0.0/24, 192.168.0.0/16, 198.18.0.0/15 or fc00::/7",
        parse: { texts in
            guard let text = texts.first, let range = AddressRange(text), isPrivate(range) else { return nil }
            return range.description
        }, show: { .text($0) })

    /// Where S3 services may be beyond the internet.
    static let bucketRange = OptionKind(
        rule:
            "a part of 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.0.0.0/24, 192.168.0.0/16, 198.18.0.0/15, fc00::/7, "
            + "127.0.0.0/8 or ::1",
        parse: { texts in
            let loopback = [AddressRange(literal: "127.0.0.0/8"), AddressRange(literal: "::1/128")]
            guard let text = texts.first, let range = AddressRange(text),
                isPrivate(range) || loopback.contains(where: { $0.contains(range) })
            else { return nil }
            return range.description
        }, show: { .text($0) })

    private static func isPrivate(_ range: AddressRange) -> Bool {
        ClosedRanges.privately.contains { $0.contains(range) }
    }
}
