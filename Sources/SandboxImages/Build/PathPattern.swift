/// A pattern of paths: `*` and `?` within a component, `[a-z]`, a backslash before what is meant literally, and, where
/// it is asked for, `**` for any number of components (Go's `filepath.Match`, and Docker's addition).
package struct PathPattern: Sendable, Hashable {
    private let components: [[Character]]
    private let hasDeep: Bool

    package init(_ text: String, allowsDeep: Bool = false) {
        components = text.split(separator: "/").filter { $0 != "." }.map(Array.init)
        hasDeep = allowsDeep
    }

    /// Whether it has anything but literal characters.
    package var isLiteral: Bool { !components.contains { $0.contains { "*?[\\".contains($0) } } }

    package func matches(_ path: String) -> Bool {
        matches(components[...], path.split(separator: "/").map(Array.init)[...])
    }

    /// Whether it matches the path or a directory above it.
    package func matchesOrHolds(_ path: String) -> Bool {
        let parts = path.split(separator: "/").map(Array.init)
        return parts.indices.contains { matches(components[...], parts[...$0]) }
    }

    private func matches(_ pattern: ArraySlice<[Character]>, _ path: ArraySlice<[Character]>) -> Bool {
        guard let first = pattern.first else { return path.isEmpty }
        if hasDeep, first == ["*", "*"] {
            return (path.startIndex...path.endIndex).contains { matches(pattern.dropFirst(), path[$0...]) }
        }
        guard let name = path.first, Self.matches(first[...], name[...]) else { return false }
        return matches(pattern.dropFirst(), path.dropFirst())
    }

    private static func matches(_ pattern: ArraySlice<Character>, _ name: ArraySlice<Character>) -> Bool {
        var (pattern, name) = (pattern, name)
        while let next = pattern.first {
            switch next {
            case "*":
                let rest = pattern.drop { $0 == "*" }
                return (name.startIndex...name.endIndex).contains { matches(rest, name[$0...]) }
            case "?":
                guard name.popFirst() != nil else { return false }
                pattern = pattern.dropFirst()
            case "[":
                guard let character = name.popFirst(), let end = pattern.dropFirst().firstIndex(of: "]"),
                    isIn(pattern[(pattern.startIndex + 1)..<end], character)
                else { return false }
                pattern = pattern[(end + 1)...]
            default:
                if next == "\\", pattern.count > 1 { pattern = pattern.dropFirst() }
                guard let wanted = pattern.popFirst(), name.popFirst() == wanted else { return false }
            }
        }
        return name.isEmpty
    }

    private static func isIn(_ set: ArraySlice<Character>, _ character: Character) -> Bool {
        let isNegated = set.first == "^"
        var rest = isNegated ? set.dropFirst() : set
        var isFound = false
        while let low = rest.popFirst() {
            if rest.first == "-", rest.count > 1 {
                rest = rest.dropFirst()
                if let high = rest.popFirst(), low <= character, character <= high { isFound = true }
            } else if low == character {
                isFound = true
            }
        }
        return isFound != isNegated
    }
}

/// What a `.dockerignore` leaves out of a context: the last rule that says something of a path holds.
package struct IgnoreRules: Sendable, Hashable {
    private struct Rule: Hashable {
        package let pattern: PathPattern
        package let isException: Bool
    }

    private let rules: [Rule]

    package init(_ text: String) {
        rules = text.split(whereSeparator: \.isNewline).compactMap { line in
            var rest = line.drop { $0.isWhitespace }
            while rest.last?.isWhitespace == true { rest = rest.dropLast() }
            guard !rest.isEmpty, rest.first != "#" else { return nil }
            let isException = rest.first == "!"
            if isException { rest = rest.dropFirst() }
            return Rule(pattern: PathPattern(String(rest), allowsDeep: true), isException: isException)
        }
    }

    package var isEmpty: Bool { rules.isEmpty }

    /// Whether a directory that is left out may hold something that isn't.
    package var hasExceptions: Bool { rules.contains { $0.isException } }

    package func leavesOut(_ path: String) -> Bool {
        var isOut = false
        for rule in rules where rule.pattern.matchesOrHolds(path) { isOut = !rule.isException }
        return isOut
    }
}
