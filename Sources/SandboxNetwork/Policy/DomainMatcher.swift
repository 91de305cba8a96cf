import SandboxModel

/// The entries of a `domain_allowlist`, for looking names up in.
package struct DomainMatcher: Sendable {
    private let names: Set<String>
    /// What stands behind `*.`.
    private let parents: Set<String>

    /// The entry that permits a name.
    package enum Match: Hashable, Sendable {
        case name
        /// By `*.` and this; `below` is what the name has in front of it, without the dot.
        case parent(String, below: String)
    }

    package init(_ patterns: [DomainPattern]) {
        names = Set(patterns.filter { $0.parent == nil }.map(\.text))
        parents = Set(patterns.compactMap(\.parent))
    }

    /// - Parameter name: in lower case, without a dot at the end.
    package func match(_ name: String) -> Match? {
        if names.contains(name) { return .name }
        guard !parents.isEmpty else { return nil }
        var rest = name[...]
        while let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            let parent = String(rest)
            if parents.contains(parent) {
                let below = name[..<name.index(name.endIndex, offsetBy: -(parent.count + 1))]
                return below.isEmpty ? nil : .parent(parent, below: String(below))
            }
        }
        return nil
    }
}
