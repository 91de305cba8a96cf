/// Where a sandbox may go. Whatever it says, the host itself, other sandboxes, link-local and metadata
/// addresses are out of reach, and private ones unless the service's configuration opens them.
public enum NetworkPolicy: Sendable, Hashable {
    /// Loopback alone.
    case blocked
    /// The internet.
    case open
    /// What is listed, and nothing else.
    case allowlist(NetworkAllowlist)
}

/// Everything that a sandbox may reach. An empty one allows nothing, names included.
public struct NetworkAllowlist: Sendable, Hashable {
    public static let mostRanges = 1000
    public static let mostDomains = 1000

    public let ranges: [AddressRange]
    /// Names that may be resolved, and whose addresses are open while they resolve to them. Without any,
    /// every name resolves, and addresses alone are judged.
    public let domains: [DomainPattern]

    /// Throws `invalidArgument` for a list that is too long, and drops repeats.
    public init(ranges: [AddressRange], domains: [DomainPattern]) throws(CordonError) {
        guard ranges.count <= Self.mostRanges else {
            throw .invalid(field: "cidr_allowlist", value: "\(ranges.count)", rule: "at most \(Self.mostRanges) ranges")
        }
        guard domains.count <= Self.mostDomains else {
            throw .invalid(
                field: "domain_allowlist", value: "\(domains.count)", rule: "at most \(Self.mostDomains) names")
        }
        var seen = Set<AddressRange>()
        self.ranges = ranges.filter { seen.insert($0).inserted }
        var names = Set<DomainPattern>()
        self.domains = domains.filter { names.insert($0).inserted }
    }

    public var isEmpty: Bool { ranges.isEmpty && domains.isEmpty }
}

extension NetworkPolicy {
    /// The policy that a request's three fields amount to; nil when it names none of them.
    ///
    /// `block_network` true goes with no list; false alone is the open network; an empty list is a list.
    public init?(block: Bool?, ranges: [String]?, domains: [String]?) throws(CordonError) {
        guard ranges != nil || domains != nil else {
            guard let block else { return nil }
            self = block ? .blocked : .open
            return
        }
        if block == true {
            throw .invalid(
                field: "block_network", value: "true",
                rule: "false or absent where \(ranges != nil ? "cidr_allowlist" : "domain_allowlist") is given")
        }
        var read: [AddressRange] = []
        for (index, text) in (ranges ?? []).prefix(NetworkAllowlist.mostRanges + 1).enumerated() {
            read.append(try AllowedRange.read(text, field: "cidr_allowlist[\(index)]"))
        }
        var patterns: [DomainPattern] = []
        for (index, text) in (domains ?? []).prefix(NetworkAllowlist.mostDomains + 1).enumerated() {
            patterns.append(try DomainPattern(text, field: "domain_allowlist[\(index)]"))
        }
        self = .allowlist(try NetworkAllowlist(ranges: read, domains: patterns))
    }
}

/// The rule for an entry of `cidr_allowlist`.
private enum AllowedRange {
    static func read(_ text: String, field: String) throws(CordonError) -> AddressRange {
        guard let range = AddressRange(text) else {
            throw .invalid(
                field: field, value: text,
                rule: "an address or ADDRESS/PREFIX of IPv4 or IPv6, with no bit set behind the prefix")
        }
        guard range.family == .v4 || !AddressRange(literal: "::ffff:0:0/96").contains(range) else {
            throw .invalid(field: field, value: text, rule: "an IPv4 address is written as one, not mapped into IPv6")
        }
        for (closed, what) in ClosedRanges.always where closed.contains(range) {
            throw .invalid(field: field, value: text, rule: "\(what) can never be reached")
        }
        return range
    }
}
