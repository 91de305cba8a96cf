/// Refuses what YAML would accept and JSON doesn't: comments, anchors, single quotes, bare words, trailing commas.
///
/// Yams reads the profile because its nodes carry positions; this pass over the text, made before, keeps the format
/// JSON and keeps every YAML feature (aliases, tags, block style) out of reach of whoever wrote the profile.
struct JSONTextCheck {
    static let maximumNesting = 16

    private let profile: String
    private let scalars: [Unicode.Scalar]
    private var index = 0
    private var position = TextPosition.start
    private var open: [(bracket: Unicode.Scalar, position: TextPosition)] = []
    private var danglingComma: TextPosition?

    private init(profile: String, json: String) {
        self.profile = profile
        self.scalars = Array(json.unicodeScalars)
    }

    static func run(profile: String, json: String) throws(SeccompPolicyError) {
        var check = JSONTextCheck(profile: profile, json: json)
        try check.run()
    }

    private var current: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    private func error(_ message: String, at place: TextPosition? = nil) -> SeccompPolicyError {
        SeccompPolicyError(profile: profile, at: place ?? position, "not JSON: " + message)
    }

    private mutating func advance() {
        if current == "\n" {
            position = TextPosition(line: position.line + 1, column: 1)
        } else {
            position.column += 1
        }
        index += 1
    }

    private mutating func run() throws(SeccompPolicyError) {
        while let scalar = current {
            switch scalar {
            case " ", "\t", "\r", "\n", ":":
                advance()
            case ",":
                danglingComma = position
                advance()
            case "{", "[":
                open.append((scalar, position))
                if open.count > Self.maximumNesting {
                    throw error("nested deeper than \(Self.maximumNesting) levels")
                }
                danglingComma = nil
                advance()
            case "}", "]":
                if let danglingComma { throw error("comma before \"\(scalar)\"", at: danglingComma) }
                guard let last = open.popLast(), last.bracket == (scalar == "}" ? "{" : "[") else {
                    throw error("\"\(scalar)\" without its beginning")
                }
                advance()
            case "\"":
                danglingComma = nil
                try skipString()
            default:
                danglingComma = nil
                try skipWord()
            }
        }
        if let last = open.last { throw error("\"\(last.bracket)\" without its end", at: last.position) }
    }

    private mutating func skipString() throws(SeccompPolicyError) {
        let start = position
        advance()
        while let scalar = current {
            switch scalar {
            case "\"":
                return advance()
            case "\\":
                advance()
                guard let escaped = current, "\"\\/bfnrtu".unicodeScalars.contains(escaped) else {
                    throw error("unknown escape in a string")
                }
            case let control where control.value < 0x20:
                throw error("control character in a string")
            default:
                break
            }
            advance()
        }
        throw error("string without an end", at: start)
    }

    private mutating func skipWord() throws(SeccompPolicyError) {
        let start = position
        var word = ""
        while let scalar = current, !" \t\r\n,:{}[]\"".unicodeScalars.contains(scalar) {
            word.unicodeScalars.append(scalar)
            advance()
        }
        let isNumber =
            word.unicodeScalars.allSatisfy { "0123456789+-.eE".unicodeScalars.contains($0) }
            && word.unicodeScalars.contains { ("0"..."9").contains($0) }
        guard isNumber || ["true", "false", "null"].contains(word) else {
            throw error("\"\(word)\" is no string, number, true, false or null", at: start)
        }
    }
}
