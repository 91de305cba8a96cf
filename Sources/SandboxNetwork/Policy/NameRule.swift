import SandboxModel

/// What a sandbox's policy says about names.
package enum NameRule: Sendable {
    /// Every name resolves; addresses are judged elsewhere.
    case all
    /// No name resolves, for the reason given.
    case none(String)
    /// These resolve, and their addresses are opened; ranges are open without any name.
    case listed(DomainMatcher, ranges: [AddressRange])

    package init(_ policy: NetworkPolicy) {
        switch policy {
        case .open: self = .all
        case .blocked: self = .none("block_network")
        case .allowlist(let list) where list.isEmpty: self = .none("the allowlist is empty")
        case .allowlist(let list) where list.domains.isEmpty: self = .all
        case .allowlist(let list): self = .listed(DomainMatcher(list.domains), ranges: list.ranges)
        }
    }
}
