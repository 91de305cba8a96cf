/// The field lines of a message, in their order, each as it was spelt.
package struct MessageFields: Sendable, Hashable {
    package struct Field: Sendable, Hashable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package private(set) var all: [Field]

    package init(_ all: [Field] = []) { self.all = all }

    /// The values of every line of that name, whatever its case.
    package subscript(_ name: String) -> [String] { all.filter { $0.name.isSameToken(as: name) }.map(\.value) }

    package mutating func append(_ name: String, _ value: String) { all.append(Field(name, value)) }

    package mutating func remove(_ name: String) { all.removeAll { $0.name.isSameToken(as: name) } }

    package mutating func removeAll(where isUnwanted: (Field) -> Bool) { all.removeAll(where: isUnwanted) }

    /// The elements of a comma-separated field over all its lines (RFC 9110, section 5.6.1), lowercased.
    package func elements(of name: String) -> [String] {
        self[name].flatMap { $0.split(on: ",") }.map { $0.trimmingBlanks().lowercased() }.filter { !$0.isEmpty }
    }
}

extension StringProtocol {
    /// Whether both are the same but for the case of ASCII letters.
    package func isSameToken(as other: some StringProtocol) -> Bool {
        utf8.count == other.utf8.count && zip(utf8, other.utf8).allSatisfy { $0.lowercasedASCII == $1.lowercasedASCII }
    }

    /// Without the blanks and tabs at both ends.
    package func trimmingBlanks() -> String {
        let isBlank: (UInt8) -> Bool = { $0 == 32 || $0 == 9 }
        let bytes = Array(utf8)
        guard let first = bytes.firstIndex(where: { !isBlank($0) }), let last = bytes.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(decoding: bytes[first...last], as: UTF8.self)
    }

    /// The parts between these bytes, empty ones too. By bytes: what Swift takes for one character can hold several.
    package func split(on separator: Unicode.Scalar) -> [String] {
        utf8.split(separator: UInt8(ascii: separator), omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// What stands before and behind the first such byte; nil where there is none.
    package func cut(at separator: Unicode.Scalar) -> (before: String, behind: String)? {
        utf8.firstIndex(of: UInt8(ascii: separator)).map {
            (String(self[..<$0]), String(self[utf8.index(after: $0)...]))
        }
    }
}

extension UInt8 {
    var lowercasedASCII: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }

    /// Whether it may stand in a method or a field's name (RFC 9110, section 5.6.2).
    var isTokenByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }

    /// Whether it may stand in a field's value: anything but controls, of which a tab is none here.
    var isFieldByte: Bool { self == 9 || (self >= 0x20 && self != 0x7f) }
}
