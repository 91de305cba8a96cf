/// A volume, a named tree of files that outlives sandboxes: `vo-` and 22 characters.
public struct VolumeID: MintedID {
    public static let prefix = "vo-"
    public static let length = 22
    public let text: String
    public init(unchecked text: String) { self.text = text }
}

/// A volume's name, which is its own among all volumes; never of an id's shape.
public struct VolumeName: Sendable, Hashable, CustomStringConvertible {
    private static let rule =
        "1–64 characters of [A-Za-z0-9._-], not starting with a dot, and not an id (vo-…)"
    public let text: String

    /// Throws `invalidArgument` for `field` when a character, the length or the shape isn't allowed.
    public init(_ text: String, field: String = "name") throws(CordonError) {
        guard (1...64).contains(text.utf8.count), text.utf8.first != UInt8(ascii: "."),
            text.utf8.allSatisfy(NameRules.isNameByte), VolumeID(text) == nil
        else { throw .invalid(field: field, value: text, rule: Self.rule) }
        self.text = text
    }

    public var description: String { text }
}

/// How a request says which volume it means.
public enum VolumeReference: Sendable, Hashable, CustomStringConvertible {
    case id(VolumeID)
    case name(VolumeName)

    /// An id where the text has an id's shape, else a name. Throws `invalidArgument` for `field`.
    public init(_ text: String, field: String) throws(CordonError) {
        if let id = VolumeID(text) { self = .id(id) } else { self = .name(try VolumeName(text, field: field)) }
    }

    public var description: String {
        switch self {
        case .id(let id): id.text
        case .name(let name): name.text
        }
    }
}
