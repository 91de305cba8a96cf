/// RFC 8259 and nothing beside it: depth is bounded, a key occurs once, text is UTF-8.
package struct JSONParser {
    package static let maximumDepth = 32

    private let bytes: [UInt8]
    private var at = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The value in `bytes`; throws with the place of the first byte that doesn't fit.
    package static func parse(_ bytes: [UInt8]) throws(JSONSyntaxError) -> JSONValue {
        var parser = JSONParser(bytes)
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.at == bytes.count else { throw parser.failure("nothing may follow the value") }
        return value
    }

    private func failure(_ message: String, at place: Int? = nil) -> JSONSyntaxError {
        let offset = min(place ?? at, bytes.count)
        let before = bytes[..<offset]
        let line = before.count { $0 == 10 } + 1
        let lineStart = before.lastIndex(of: 10).map { $0 + 1 } ?? 0
        return JSONSyntaxError(message: message, byteOffset: offset, line: line, column: offset - lineStart + 1)
    }

    private var current: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = current, byte == 32 || byte == 9 || byte == 10 || byte == 13 { at += 1 }
    }

    private mutating func value(depth: Int) throws(JSONSyntaxError) -> JSONValue {
        skipSpace()
        guard depth < Self.maximumDepth else { throw failure("nested more than \(Self.maximumDepth) levels deep") }
        switch current {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): return try number()
        case nil: throw failure("the text ends where a value belongs")
        default: throw failure("no value starts like this")
        }
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
        let expected = text.withUTF8Buffer { Array($0) }
        guard bytes[at...].starts(with: expected) else { throw failure("expected \(text)") }
        at += expected.count
        return value
    }

    private mutating func object(depth: Int) throws(JSONSyntaxError) -> JSONValue {
        at += 1
        var members: [String: JSONValue] = [:]
        skipSpace()
        if current == UInt8(ascii: "}") {
            at += 1
            return .object(members)
        }
        while true {
            skipSpace()
            let keyStart = at
            guard current == UInt8(ascii: "\"") else { throw failure("expected a key in quotes") }
            let key = try string()
            skipSpace()
            guard current == UInt8(ascii: ":") else { throw failure("expected a colon") }
            at += 1
            let member = try value(depth: depth + 1)
            guard members.updateValue(member, forKey: key) == nil else {
                throw failure("a key occurs twice", at: keyStart)
            }
            skipSpace()
            switch current {
            case UInt8(ascii: ","): at += 1
            case UInt8(ascii: "}"):
                at += 1
                return .object(members)
            default: throw failure("expected a comma or a closing brace")
            }
        }
    }

    private mutating func array(depth: Int) throws(JSONSyntaxError) -> JSONValue {
        at += 1
        var values: [JSONValue] = []
        skipSpace()
        if current == UInt8(ascii: "]") {
            at += 1
            return .array(values)
        }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            switch current {
            case UInt8(ascii: ","): at += 1
            case UInt8(ascii: "]"):
                at += 1
                return .array(values)
            default: throw failure("expected a comma or a closing bracket")
            }
        }
    }

    private mutating func digits() throws(JSONSyntaxError) {
        let start = at
        while let byte = current, (48...57).contains(byte) { at += 1 }
        guard at > start else { throw failure("expected a digit") }
    }

    private mutating func number() throws(JSONSyntaxError) -> JSONValue {
        let start = at
        var whole = true
        if current == UInt8(ascii: "-") { at += 1 }
        if current == UInt8(ascii: "0") {
            at += 1
            if let byte = current, (48...57).contains(byte) { throw failure("a number has no leading zero") }
        } else {
            try digits()
        }
        if current == UInt8(ascii: ".") {
            whole = false
            at += 1
            try digits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            whole = false
            at += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { at += 1 }
            try digits()
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if whole, let integer = Int64(text) { return .integer(integer) }
        guard let double = Double(text), double.isFinite else { throw failure("a number out of range", at: start) }
        return .number(double)
    }

    private mutating func string() throws(JSONSyntaxError) -> String {
        at += 1
        let start = at
        // Most strings have no escape: one copy.
        while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { at += 1 }
        var text = Array(bytes[start..<at])
        while true {
            guard let byte = current else { throw failure("the text ends within a string") }
            at += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let checked = String(validating: text, as: UTF8.self) else {
                    throw failure("a string isn't UTF-8", at: start)
                }
                return checked
            case UInt8(ascii: "\\"): try escape(into: &text)
            case ..<0x20: throw failure("a control character within a string", at: at - 1)
            default: text.append(byte)
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONSyntaxError) {
        guard let byte = current else { throw failure("the text ends within a string") }
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "u"):
            let scalar = try unicodeEscape()
            text.append(contentsOf: Array(String(scalar).utf8))
        default: throw failure("no such escape", at: at - 2)
        }
    }

    private mutating func unicodeEscape() throws(JSONSyntaxError) -> Unicode.Scalar {
        let start = at - 2
        let first = try hexQuad()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard (0xD800..<0xDC00).contains(first), current == UInt8(ascii: "\\") else {
            throw failure("half of a surrogate pair", at: start)
        }
        at += 1
        guard current == UInt8(ascii: "u") else { throw failure("half of a surrogate pair", at: start) }
        at += 1
        let second = try hexQuad()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) * 0x400 + (second - 0xDC00))
        else { throw failure("half of a surrogate pair", at: start) }
        return scalar
    }

    private mutating func hexQuad() throws(JSONSyntaxError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw failure("expected four hexadecimal digits")
            }
            value = value * 16 + UInt32(digit)
            at += 1
        }
        return value
    }
}
