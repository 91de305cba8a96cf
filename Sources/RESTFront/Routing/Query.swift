import CordonAPI
import SandboxModel

/// A request's query, read strictly: what isn't asked for by name is refused.
struct Query {
    private let pairs: [(name: String, value: String)]

    /// Throws for a parameter that isn't among `known`, or comes twice without being `repeated`.
    init(_ text: String?, known: [String], repeated: Set<String> = []) throws(CordonError) {
        var pairs: [(name: String, value: String)] = []
        for part in (text ?? "").split(separator: "&") {
            let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentCoding.decode(halves[0], plusIsSpace: true),
                let value = halves.count > 1 ? PercentCoding.decode(halves[1], plusIsSpace: true) : ""
            else { throw .invalid(field: "query", value: String(part), rule: "percent-encoded UTF-8") }
            guard known.contains(name) else {
                throw .invalid(
                    field: name, value: nil,
                    rule: known.isEmpty
                        ? "no query parameters here" : "one of the parameters \(known.joined(separator: ", "))")
            }
            guard repeated.contains(name) || !pairs.contains(where: { $0.name == name }) else {
                throw .invalid(field: name, value: value, rule: "at most once")
            }
            pairs.append((name, value))
        }
        self.pairs = pairs
    }

    func text(_ name: String) -> String? { pairs.first { $0.name == name }?.value }

    func texts(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }

    func flag(_ name: String) throws(CordonError) -> Bool {
        switch text(name) {
        case nil, "false", "0": return false
        case "", "true", "1": return true
        case let other: throw .invalid(field: name, value: other, rule: "true or false")
        }
    }

    func whole<Number: FixedWidthInteger>(_ name: String, in range: ClosedRange<Number>) throws(CordonError) -> Number?
    {
        guard let text = text(name) else { return nil }
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Number(text),
            range.contains(number)
        else {
            throw .invalid(
                field: name, value: text, rule: "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func seconds(_ name: String, in range: ClosedRange<Double>) throws(CordonError) -> Duration? {
        guard let text = text(name) else { return nil }
        guard let number = Double(text), range.contains(number) else {
            throw .invalid(field: name, value: text, rule: "seconds from \(range.lowerBound) to \(range.upperBound)")
        }
        return .microseconds(Int64(number * 1e6))
    }

    func time(_ name: String) throws(CordonError) -> Timestamp? {
        guard let text = text(name) else { return nil }
        guard let time = APITime(text) else {
            throw .invalid(field: name, value: text, rule: "a time as in RFC 3339, such as 2026-01-31T12:00:00Z")
        }
        return time.timestamp
    }
}
