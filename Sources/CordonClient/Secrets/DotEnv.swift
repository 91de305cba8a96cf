/// The variables in the text of a `.env` file, as python-dotenv reads them, but for two things: `${NAME}` is
/// text like any other, and what that one skips with a warning is refused.
public struct DotEnv: Sendable, Hashable {
    /// Where a text isn't of this form, and why; nothing of the text is in it.
    public struct Malformed: Error, Hashable, CustomStringConvertible {
        public let line: Int
        public let reason: String
        public var description: String { "line \(line): \(reason)" }
    }

    /// Of a name that comes several times, the last value.
    public let variables: [String: String]

    public init(_ text: String) throws(Malformed) {
        var reader = Reader(bytes: Array(text.utf8))
        var variables: [String: String] = [:]
        while let (name, value) = try reader.next() { variables[name] = value }
        self.variables = variables
    }

    private struct Reader {
        let bytes: [UInt8]
        var place = 0

        var current: UInt8? { place < bytes.count ? bytes[place] : nil }

        mutating func next() throws(Malformed) -> (String, String)? {
            while true {
                skip { Self.isSpace($0) || Self.isLineEnd($0) }
                guard let first = current else { return nil }
                guard first == UInt8(ascii: "#") else { break }
                skip { !Self.isLineEnd($0) }
            }
            skipExport()
            let name = try name()
            skip(Self.isSpace)
            guard current == UInt8(ascii: "=") else { throw malformed("NAME=value belongs there") }
            place += 1
            skip(Self.isSpace)
            let value = try value()
            return (name, value)
        }

        private mutating func skipExport() {
            let word = Array("export".utf8)
            let end = place + word.count
            guard end < bytes.count, Array(bytes[place..<end]) == word, Self.isSpace(bytes[end]) else { return }
            place = end
            skip(Self.isSpace)
        }

        private mutating func name() throws(Malformed) -> String {
            if current == UInt8(ascii: "'") {
                place += 1
                let start = place
                skip { $0 != UInt8(ascii: "'") }
                guard place > start, current != nil else { throw malformed("a quoted name isn't closed") }
                defer { place += 1 }
                return String(decoding: bytes[start..<place], as: UTF8.self)
            }
            let start = place
            skip {
                $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "#") && !Self.isSpace($0) && !Self.isLineEnd($0)
            }
            guard place > start else { throw malformed("NAME=value belongs there") }
            return String(decoding: bytes[start..<place], as: UTF8.self)
        }

        private mutating func value() throws(Malformed) -> String {
            switch current {
            case UInt8(ascii: "'"):
                return try quoted(by: UInt8(ascii: "'"), escapes: [UInt8(ascii: "\\"): 0x5c, UInt8(ascii: "'"): 0x27])
            case UInt8(ascii: "\""):
                return try quoted(
                    by: UInt8(ascii: "\""),
                    escapes: [
                        UInt8(ascii: "\\"): 0x5c, UInt8(ascii: "'"): 0x27, UInt8(ascii: "\""): 0x22,
                        UInt8(ascii: "a"): 7, UInt8(ascii: "b"): 8, UInt8(ascii: "f"): 12, UInt8(ascii: "n"): 10,
                        UInt8(ascii: "r"): 13, UInt8(ascii: "t"): 9, UInt8(ascii: "v"): 11,
                    ])
            default: return plain()
            }
        }

        /// To the end of the line, without a comment behind white space and without white space at the end.
        private mutating func plain() -> String {
            let start = place
            skip { !Self.isLineEnd($0) }
            let line = bytes[start..<place]
            let comment = line.indices.first {
                line[$0] == UInt8(ascii: "#") && $0 > start && Self.isSpace(line[$0 - 1])
            }
            var end = comment ?? place
            while end > start, Self.isSpace(bytes[end - 1]) { end -= 1 }
            return String(decoding: bytes[start..<end], as: UTF8.self)
        }

        /// May span lines; behind it there may be a comment.
        private mutating func quoted(by quote: UInt8, escapes: [UInt8: UInt8]) throws(Malformed) -> String {
            let opening = place
            place += 1
            var value: [UInt8] = []
            while let byte = current, byte != quote {
                place += 1
                guard byte == UInt8(ascii: "\\"), let next = current else {
                    value.append(byte)
                    continue
                }
                if let meaning = escapes[next] {
                    value.append(meaning)
                    place += 1
                } else {
                    value.append(byte)
                }
            }
            guard current == quote else {
                place = opening
                throw malformed("a quoted value isn't closed")
            }
            place += 1
            skip(Self.isSpace)
            if current == UInt8(ascii: "#") { skip { !Self.isLineEnd($0) } }
            guard current.map(Self.isLineEnd) ?? true else { throw malformed("something stands behind a quoted value") }
            return String(decoding: value, as: UTF8.self)
        }

        private mutating func skip(_ isSkipped: (UInt8) -> Bool) {
            while let byte = current, isSkipped(byte) { place += 1 }
        }

        private func malformed(_ reason: String) -> Malformed {
            Malformed(line: bytes[..<min(place, bytes.count)].count { $0 == UInt8(ascii: "\n") } + 1, reason: reason)
        }

        private static func isSpace(_ byte: UInt8) -> Bool {
            byte == 0x20 || byte == 0x09 || byte == 0x0b || byte == 0x0c
        }

        private static func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0a || byte == 0x0d }
    }
}
