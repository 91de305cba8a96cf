import CordonAPI
import SandboxModel

/// Reads one JSON object's fields by the keys that its request type declares; what it doesn't
/// declare is refused. Errors name the field's path, and never hold a value's content beyond numbers.
struct FieldReader<Key: CodingKey & CaseIterable & RawRepresentable> where Key.RawValue == String {
    private let members: [String: JSONValue]
    private let path: String

    /// Throws unless `value` is an object whose every member is a `Key`.
    init(_ value: JSONValue, path: String = "") throws(CordonError) {
        guard case .object(let members) = value else {
            throw .invalid(field: path.isEmpty ? "body" : path, value: value.kind, rule: "an object")
        }
        self.members = members
        self.path = path
        for name in members.keys.sorted() where Key(rawValue: name) == nil {
            let field = path.isEmpty ? name : "\(path).\(name)"
            let names = Key.allCases.map(\.rawValue).joined(separator: ", ")
            throw .invalid(field: field, value: nil, rule: "not a known field; there are \(names)")
        }
    }

    /// The field's path from the body's top.
    func field(_ key: Key) -> String { path.isEmpty ? key.rawValue : "\(path).\(key.rawValue)" }

    /// Whether the field is there, null included.
    func has(_ key: Key) -> Bool { members[key.rawValue] != nil }

    /// The field's value; nil when absent or null.
    func value(_ key: Key) -> JSONValue? {
        guard let value = members[key.rawValue], value != .null else { return nil }
        return value
    }

    func string(_ key: Key) throws(CordonError) -> String? {
        guard let value = value(key) else { return nil }
        guard case .string(let text) = value else { throw wrong(field(key), value, "a string") }
        return text
    }

    func bool(_ key: Key) throws(CordonError) -> Bool? {
        guard let value = value(key) else { return nil }
        guard case .bool(let flag) = value else { throw wrong(field(key), value, "true or false") }
        return flag
    }

    func number(_ key: Key, in range: ClosedRange<Double>, of unit: String = "") throws(CordonError) -> Double? {
        guard let value = value(key) else { return nil }
        let rule = "a number\(unit) from \(shown(range.lowerBound)) to \(shown(range.upperBound))"
        let number: Double
        switch value {
        case .integer(let whole): number = Double(whole)
        case .number(let fraction): number = fraction
        default: throw wrong(field(key), value, rule)
        }
        guard range.contains(number) else { throw .invalid(field: field(key), value: shown(number), rule: rule) }
        return number
    }

    func whole(_ key: Key, in range: ClosedRange<Int>) throws(CordonError) -> Int? {
        guard let number = try number(key, in: Double(range.lowerBound)...Double(range.upperBound)) else { return nil }
        guard number == number.rounded() else {
            throw .invalid(field: field(key), value: shown(number), rule: "a whole number")
        }
        return Int(number)
    }

    func wholes(_ key: Key, in range: ClosedRange<Int>) throws(CordonError) -> [Int]? {
        guard let value = value(key) else { return nil }
        guard case .array(let values) = value else { throw wrong(field(key), value, "an array of whole numbers") }
        let rule = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        var numbers: [Int] = []
        for (index, value) in values.enumerated() {
            let field = "\(field(key))[\(index)]"
            guard case .integer(let whole) = value else { throw wrong(field, value, rule) }
            guard let number = Int(exactly: whole), range.contains(number) else {
                throw .invalid(field: field, value: "\(whole)", rule: rule)
            }
            numbers.append(number)
        }
        return numbers
    }

    /// A duration, given in seconds.
    func duration(_ key: Key, upTo limit: Duration) throws(CordonError) -> Duration? {
        guard let seconds = try number(key, in: 0.001...limit.inSeconds, of: " of seconds") else { return nil }
        return .microseconds(Int64((seconds * 1e6).rounded()))
    }

    func strings(_ key: Key) throws(CordonError) -> [String]? {
        guard let value = value(key) else { return nil }
        guard case .array(let values) = value else { throw wrong(field(key), value, "an array of strings") }
        var texts: [String] = []
        for (index, value) in values.enumerated() {
            guard case .string(let text) = value else { throw wrong("\(field(key))[\(index)]", value, "a string") }
            texts.append(text)
        }
        return texts
    }

    func pairs(_ key: Key) throws(CordonError) -> [String: String]? {
        guard let value = value(key) else { return nil }
        guard case .object(let members) = value else { throw wrong(field(key), value, "an object of strings") }
        var pairs: [String: String] = [:]
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            guard case .string(let text) = value else { throw wrong("\(field(key)).\(name)", value, "a string") }
            pairs[name] = text
        }
        return pairs
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: Key, of type: Choice.Type
    ) throws(CordonError) -> Choice? where Choice.RawValue == String {
        guard let text = try string(key) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let names = Choice.allCases.map(\.rawValue).joined(separator: " or ")
            throw .invalid(field: field(key), value: text, rule: names)
        }
        return choice
    }

    private func wrong(_ field: String, _ value: JSONValue, _ rule: String) -> CordonError {
        .invalid(field: field, value: nil, rule: "\(rule), not \(value.kind)")
    }

    private func shown(_ number: Double) -> String {
        number == number.rounded() && abs(number) < 1e15 ? String(Int64(number)) : String(number)
    }
}
