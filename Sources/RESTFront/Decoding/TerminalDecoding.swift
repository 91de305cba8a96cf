import CordonAPI
import SandboxModel

extension TerminalSpec {
    /// The terminal that the field `pty` asks for; nil when it is absent or null.
    init?<Key>(_ fields: FieldReader<Key>, _ key: Key) throws(CordonError) {
        guard let json = fields.value(key) else { return nil }
        let path = fields.field(key)
        let members = try FieldReader<TerminalRequest.CodingKeys>(json, path: path)
        let size = try TerminalSize(
            rows: try members.whole(.rows, in: TerminalSize.range) ?? TerminalSize.standard.rows,
            columns: try members.whole(.cols, in: TerminalSize.range) ?? TerminalSize.standard.columns, field: path)
        try self.init(size: size, term: try members.string(.term) ?? Self.standardTerm, field: path)
    }
}

extension TerminalSize {
    /// The size that a `ResizeRequest`'s body holds.
    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<ResizeRequest.CodingKeys>(json)
        try self.init(rows: try Self.side(fields, .rows), columns: try Self.side(fields, .cols))
    }

    private static func side(
        _ fields: FieldReader<ResizeRequest.CodingKeys>, _ key: ResizeRequest.CodingKeys
    ) throws(CordonError) -> Int {
        if let number = try fields.whole(key, in: range) { return number }
        throw .invalid(
            field: fields.field(key), value: nil,
            rule: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
}
