import Synchronization

/// Words of a Dockerfile, divided by blanks; quotes and backslashes stay in them.
package enum WordSplitting {
    package static func words(_ text: String) -> [String] {
        var words: [String] = []
        var word = ""
        var quote: Character?
        var isEscaped = false
        for character in text {
            if isEscaped {
                isEscaped = false
            } else if character == "\\", quote != "'" {
                isEscaped = true
            } else if let open = quote {
                if character == open { quote = nil }
            } else if character == "\"" || character == "'" {
                quote = character
            } else if character.isWhitespace {
                if !word.isEmpty { words.append(word) }
                word = ""
                continue
            }
            word.append(character)
        }
        if !word.isEmpty { words.append(word) }
        return words
    }
}

/// Room for what variables stand for in one instruction's words: a few lines that double a variable each would come to
/// more than any memory holds.
package final class ExpansionRoom: Sendable {
    package static let maximumBytes = 1 << 20
    private let left = Mutex(maximumBytes)

    package init() {}

    fileprivate func take(_ text: String) throws(WordExpansion.Malformed) -> String {
        let isTaken = left.withLock { left in
            left -= min(left + 1, text.utf8.count)
            return left >= 0
        }
        guard isTaken else {
            throw WordExpansion.Malformed(message: "its variables come to more than \(Self.maximumBytes >> 20) MiB")
        }
        return text
    }
}

/// Variables in words: `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}` and the same without the colon; and the
/// end of quotes and backslashes.
package struct WordExpansion: Sendable {
    /// How deep a `${` may lie in others'.
    package static let maximumDepth = 16

    /// nil for a name that isn't set.
    private let value: @Sendable (String) -> String?
    private let room: ExpansionRoom

    package init(in room: ExpansionRoom = ExpansionRoom(), value: @escaping @Sendable (String) -> String?) {
        self.room = room
        self.value = value
    }

    /// What a word comes to. Throws a message for a form that isn't known, and for what would be too much.
    package func expand(_ word: String) throws(Malformed) -> String { try expand(word, depth: 0) }

    private func expand(_ word: String, depth: Int) throws(Malformed) -> String {
        var rest = word[...]
        var out = ""
        var quote: Character?
        while let character = rest.popFirst() {
            switch character {
            case "'" where quote == nil:
                while let next = rest.popFirst(), next != "'" { out.append(next) }
            case "\"": quote = quote == nil ? "\"" : nil
            case "\\":
                guard let next = rest.popFirst() else {
                    out.append("\\")
                    break
                }
                // Within quotes a backslash is itself before what it needn't protect.
                if quote != nil, !"\"$\\".contains(next) { out.append("\\") }
                out.append(next)
            case "$": out += try variable(&rest, depth: depth)
            default: out.append(character)
            }
        }
        return out
    }

    /// A text without quotes of its own: a heredoc's.
    package func expandVariables(_ text: String) throws(Malformed) -> String {
        var rest = text[...]
        var out = ""
        while let character = rest.popFirst() {
            if character == "\\", let next = rest.first, next == "$" || next == "\\" {
                out.append(next)
                rest.removeFirst()
            } else if character == "$" {
                out += try variable(&rest, depth: 0)
            } else {
                out.append(character)
            }
        }
        return out
    }

    package struct Malformed: Error {
        package let message: String
    }

    /// What stands behind a `$`.
    private func variable(_ rest: inout Substring, depth: Int) throws(Malformed) -> String {
        guard rest.first == "{" else {
            let name = Self.name(rest)
            rest = rest.dropFirst(name.count)
            return name.isEmpty ? "$" : try room.take(value(String(name)) ?? "")
        }
        guard depth < Self.maximumDepth else {
            throw Malformed(message: "more than \(Self.maximumDepth) ${ lie in one another")
        }
        guard let inner = Self.braced(&rest) else { throw Malformed(message: "${ has no }") }
        let name = Self.name(inner)
        var operation = inner.dropFirst(name.count)
        guard !name.isEmpty else { throw Malformed(message: "${\(inner)} names no variable") }
        let found = value(String(name))
        if operation.isEmpty { return try room.take(found ?? "") }
        let needsText = operation.first == ":"
        if needsText { operation = operation.dropFirst() }
        let counts = found.map { !needsText || !$0.isEmpty } ?? false
        let word = String(operation.dropFirst())
        switch operation.first {
        case "-": return counts ? try room.take(found ?? "") : try expand(word, depth: depth + 1)
        case "+": return counts ? try expand(word, depth: depth + 1) : ""
        case "?" where counts: return try room.take(found ?? "")
        case "?": throw Malformed(message: "\(name) isn't set\(word.isEmpty ? "" : ": \(word)")")
        default: throw Malformed(message: "${\(inner)} isn't served; there are :-, :+ and :?")
        }
    }

    private static func name(_ text: Substring) -> Substring {
        guard let first = text.first, first.isASCII, first.isLetter || first == "_" else { return "" }
        return text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    }

    /// What stands between the braces at the start of `rest`, which may hold others.
    private static func braced(_ rest: inout Substring) -> Substring? {
        var depth = 0
        for index in rest.indices {
            if rest[index] == "{" { depth += 1 }
            if rest[index] == "}" { depth -= 1 }
            if depth == 0 {
                let inner = rest[rest.index(after: rest.startIndex)..<index]
                rest = rest[rest.index(after: index)...]
                return inner
            }
        }
        return nil
    }
}
