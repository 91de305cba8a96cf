import SandboxModel

/// A pattern of paths: `*` and `?` within a component, `[a-z]`, a backslash before what is meant literally, and, where
/// it is asked for, `**` for any number of components (Go's `filepath.Match`, and Docker's addition).
///
/// Patterns and paths are strangers': no match takes longer than the product of their lengths.
package struct PathPattern: Sendable, Hashable {
    private enum Component: Sendable, Hashable {
        case name(NamePattern)
        /// `**`
        case any
    }

    private let components: [Component]

    package init(_ text: String, allowsDeep: Bool = false) {
        components = text.pathNames.filter { $0 != "." }.map {
            allowsDeep && $0 == "**" ? .any : .name(NamePattern($0))
        }
    }

    /// Whether it has nothing but literal characters.
    package var isLiteral: Bool {
        components.allSatisfy { if case .name(let name) = $0 { name.isLiteral } else { false } }
    }

    package func matches(_ path: String) -> Bool {
        var places = start
        for name in path.pathNames { places = step(from: places, over: Array(name)) }
        return places.contains(components.count)
    }

    /// Whether it matches the path or a directory above it.
    package func matchesOrHolds(_ path: String) -> Bool {
        var places = start
        for name in path.pathNames {
            places = step(from: places, over: Array(name))
            if places.contains(components.count) { return true }
            if places.isEmpty { return false }
        }
        return false
    }

    /// Where in the pattern one may stand before the first name.
    private var start: Set<Int> { reach([0]) }

    /// Where one may stand behind one more name.
    private func step(from places: Set<Int>, over name: [Character]) -> Set<Int> {
        var next: Set<Int> = []
        for place in places where place < components.count {
            switch components[place] {
            case .any: next.insert(place)
            case .name(let pattern): if pattern.matches(name) { next.insert(place + 1) }
            }
        }
        return reach(next)
    }

    /// `**` may stand for no name at all.
    private func reach(_ places: Set<Int>) -> Set<Int> {
        var all = places
        for place in places {
            var place = place
            while place < components.count, components[place] == .any, all.insert(place + 1).inserted { place += 1 }
        }
        return all
    }
}

/// A pattern of one name.
private struct NamePattern: Sendable, Hashable {
    private enum Part: Sendable, Hashable {
        case literal(Character)
        /// `?`
        case one
        /// `*`
        case many
        case range([ClosedRange<Character>], isNegated: Bool)
        /// A bracket that never closes.
        case nothing
    }

    private let parts: [Part]
    /// Whether every character means itself.
    let isLiteral: Bool

    init(_ text: String) {
        isLiteral = !text.contains { "*?[\\".contains($0) }
        var parts: [Part] = []
        var rest = text[...]
        while let character = rest.popFirst() {
            switch character {
            case "*": if parts.last != .many { parts.append(.many) }
            case "?": parts.append(.one)
            case "[":
                guard let end = rest.firstIndex(of: "]") else {
                    parts.append(.nothing)
                    continue
                }
                parts.append(Self.range(rest[..<end]))
                rest = rest[rest.index(after: end)...]
            case "\\": parts.append(.literal(rest.popFirst() ?? "\\"))
            default: parts.append(.literal(character))
            }
        }
        self.parts = parts
    }

    private static func range(_ text: Substring) -> Part {
        let isNegated = text.first == "^"
        var rest = isNegated ? text.dropFirst() : text
        var ranges: [ClosedRange<Character>] = []
        while let low = rest.popFirst() {
            if rest.first == "-", rest.count > 1 {
                rest = rest.dropFirst()
                if let high = rest.popFirst(), low <= high { ranges.append(low...high) }
            } else {
                ranges.append(low...low)
            }
        }
        return .range(ranges, isNegated: isNegated)
    }

    /// From left to right; where it goes no further, the last `*` takes one character more.
    func matches(_ name: [Character]) -> Bool {
        var (part, place) = (0, 0)
        var star: (part: Int, place: Int)?
        while place < name.count {
            if part < parts.count, parts[part] == .many {
                star = (part, place)
                part += 1
            } else if part < parts.count, Self.fits(name[place], parts[part]) {
                part += 1
                place += 1
            } else if let last = star {
                star = (last.part, last.place + 1)
                (part, place) = (last.part + 1, last.place + 1)
            } else {
                return false
            }
        }
        return parts[part...].allSatisfy { $0 == .many }
    }

    private static func fits(_ character: Character, _ part: Part) -> Bool {
        switch part {
        case .literal(let wanted): character == wanted
        case .one: true
        case .range(let ranges, let isNegated): ranges.contains { $0.contains(character) } != isNegated
        case .many, .nothing: false
        }
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
