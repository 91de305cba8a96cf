import Foundation
import SandboxModel

/// Why a row isn't of the shape that this version knows.
enum RowShape: Error, CustomStringConvertible {
    case newerVersion(Int)
    case unknownValue(String, type: String)
    case missing(String)

    var description: String {
        switch self {
        case .newerVersion(let version): "it was written in version \(version) of its shape"
        case .unknownValue(let value, let type): "'\(value)' is no \(type)"
        case .missing(let column): "\(column) is missing"
        }
    }

    /// The case of `type` that `text` names.
    static func value<Value: RawRepresentable>(_ text: String, of type: Value.Type) throws -> Value
    where Value.RawValue == String {
        guard let value = Value(rawValue: text) else {
            throw RowShape.unknownValue(String(text.prefix(64)), type: "\(type)")
        }
        return value
    }

    /// The identifier in `text`.
    static func id<ID>(_ text: String, _ make: (String) -> ID?) throws -> ID {
        guard let id = make(text) else { throw RowShape.unknownValue(String(text.prefix(64)), type: "\(ID.self)") }
        return id
    }

    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from text: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }
}
