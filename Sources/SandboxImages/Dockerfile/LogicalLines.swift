/// A Dockerfile's lines, with those that are continued put together, and the texts that follow them.
package struct LogicalLine: Sendable, Hashable {
    package let number: Int
    /// Of its first character that isn't blank.
    package let column: Int
    package let text: String
    package var heredocs: [Instruction.Heredoc] = []

    /// Throws for a heredoc without its end.
    package static func all(of dockerfile: String) throws(DockerfileError) -> [LogicalLine] {
        // A carriage return and a line feed are one character.
        let lines = dockerfile.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        try checkDirectives(lines)
        var found: [LogicalLine] = []
        var next = 0
        while next < lines.count {
            let first = next
            guard var line = joined(lines, from: &next) else { continue }
            if ["RUN", "COPY", "ADD"].contains(line.text.prefix { !$0.isWhitespace }.uppercased()) {
                for opening in HeredocOpening.all(in: line.text) {
                    guard let body = opening.body(of: lines, from: &next) else {
                        throw DockerfileError(
                            line: first + 1, column: line.column,
                            message: "<<\(opening.name) has no end \(opening.name)")
                    }
                    line.heredocs.append(body)
                }
            }
            found.append(line)
        }
        return found
    }

    /// Lines `# name=value` before everything else.
    private static func checkDirectives(_ lines: [Substring]) throws(DockerfileError) {
        for (index, line) in lines.enumerated() {
            let text = line.filter { !$0.isWhitespace }.lowercased()
            guard text.hasPrefix("#"), text.contains("=") else { return }
            guard !text.hasPrefix("#escape=") || text == "#escape=\\" else {
                throw DockerfileError(line: index + 1, column: 1, message: "the one escape character is the backslash")
            }
        }
    }

    /// The line at `next` and those that go on with it; nil for a blank line or a comment.
    private static func joined(_ lines: [Substring], from next: inout Int) -> LogicalLine? {
        let first = next
        var text = ""
        var isContinued = true
        while isContinued, next < lines.count {
            let line = lines[next]
            next += 1
            let start = line.drop { $0.isWhitespace }
            if start.first == "#" {
                if text.isEmpty && first == next - 1 { return nil }
                continue
            }
            // Blank lines within a continued one are passed over.
            if start.isEmpty, !text.isEmpty { continue }
            var body = line
            while let last = body.last, last.isWhitespace { body = body.dropLast() }
            isContinued = body.last == "\\"
            text += isContinued ? body.dropLast() : body
            if start.isEmpty { return nil }
        }
        let column = text.prefix { $0.isWhitespace }.count + 1
        let trimmed = text.drop { $0.isWhitespace }
        guard !trimmed.isEmpty else { return nil }
        return LogicalLine(number: first + 1, column: column, text: String(trimmed))
    }
}

/// `<<NAME`, `<<-NAME`, `<<"NAME"`.
private struct HeredocOpening {
    package let name: String
    package let stripsTabs: Bool
    package let expands: Bool

    /// Those in a line, in order. In `RUN [...]`, and behind quotes, there are none.
    package static func all(in text: String) -> [HeredocOpening] {
        WordSplitting.words(text).compactMap { word in
            guard word.hasPrefix("<<"), !word.hasPrefix("<<<") else { return nil }
            var rest = word.dropFirst(2)
            let strips = rest.first == "-"
            if strips { rest = rest.dropFirst() }
            let quotes = rest.first.flatMap { $0 == "\"" || $0 == "'" ? $0 : nil }
            if let quotes {
                guard rest.count > 2, rest.last == quotes else { return nil }
                rest = rest.dropFirst().dropLast()
            }
            guard !rest.isEmpty, rest.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) else { return nil }
            return HeredocOpening(name: String(rest), stripsTabs: strips, expands: quotes == nil)
        }
    }

    /// The lines up to its name alone; nil when that doesn't come.
    package func body(of lines: [Substring], from next: inout Int) -> Instruction.Heredoc? {
        var content = ""
        while next < lines.count {
            let line = stripsTabs ? lines[next].drop { $0 == "\t" } : lines[next]
            next += 1
            if line == name { return Instruction.Heredoc(name: name, content: content, expands: expands) }
            content += line + "\n"
        }
        return nil
    }
}
