/// A JSON document as a tree, for reading requests strictly: with paths, and with nothing ignored.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// What the value is, for error texts.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The value as compact JSON text, keys in order.
    package var text: [UInt8] {
        switch self {
        case .null: return Array("null".utf8)
        case .bool(let flag): return Array("\(flag)".utf8)
        case .integer(let number): return Array("\(number)".utf8)
        case .number(let number): return Array("\(number)".utf8)
        case .string(let text):
            var bytes = [UInt8(ascii: "\"")]
            JSONText.appendEscaped(text.utf8, to: &bytes)
            return bytes + [UInt8(ascii: "\"")]
        case .array(let values): return Array("[".utf8) + values.map(\.text).joined(separator: [44]) + Array("]".utf8)
        case .object(let members):
            let pairs = members.sorted { $0.key < $1.key }.map { JSONValue.string($0.key).text + [58] + $0.value.text }
            return Array("{".utf8) + pairs.joined(separator: [44]) + Array("}".utf8)
        }
    }

    /// Whether there is nothing in it: null, false, "", [] or {}.
    package var isEmpty: Bool {
        switch self {
        case .null, .bool(false), .string(""): true
        case .array(let values): values.isEmpty
        case .object(let members): members.isEmpty
        default: false
        }
    }
}

/// Where a text isn't JSON, and why.
package struct JSONSyntaxError: Error, Hashable {
    package var message: String
    /// Of the first byte that doesn't fit.
    package var byteOffset: Int
    package var line: Int
    package var column: Int
}
