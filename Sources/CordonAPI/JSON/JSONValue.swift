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
