import SandboxModel

/// A network policy as JSON on disk, under the same promise as `SandboxSpecRow`.
struct NetworkRow: Codable {
    var mode: String
    var ranges: [String]?
    var domains: [String]?

    init(_ policy: NetworkPolicy) {
        switch policy {
        case .blocked: mode = "blocked"
        case .open: mode = "open"
        case .allowlist(let list):
            mode = "allowlist"
            ranges = list.ranges.map(\.description)
            domains = list.domains.map(\.text)
        }
    }

    func policy() throws -> NetworkPolicy {
        switch mode {
        case "blocked": .blocked
        case "open": .open
        case "allowlist":
            .allowlist(
                try NetworkAllowlist(
                    ranges: try (ranges ?? []).map { text in
                        guard let range = AddressRange(text) else {
                            throw RowShape.unknownValue(String(text.prefix(64)), type: "AddressRange")
                        }
                        return range
                    }, domains: try (domains ?? []).map { try DomainPattern($0, field: "domains") }))
        default: throw RowShape.unknownValue(String(mode.prefix(64)), type: "NetworkPolicy")
        }
    }
}
