/// The alphabet of minted identifiers: lowercase letters and digits, safe in paths, hosts and URLs.
private let alphabet: [UInt8] = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)

/// An identifier that the engine minted: a kind's prefix and lowercase letters and digits.
///
/// Its text is safe as a path component. A value of the wrong shape can't be made.
public protocol MintedID: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The kind, with its dash: `sb-`.
    static var prefix: String { get }
    /// How many letters and digits follow the prefix.
    static var length: Int { get }
    /// The whole identifier, prefix included.
    var text: String { get }
    /// Wraps text whose shape has been checked.
    init(unchecked text: String)
}

extension MintedID {
    /// The identifier in `text`, or nil when it isn't of this kind's shape.
    public init?(_ text: String) {
        guard text.hasPrefix(Self.prefix), text.utf8.count == Self.prefix.utf8.count + Self.length,
            text.utf8.dropFirst(Self.prefix.utf8.count).allSatisfy({ alphabet.contains($0) })
        else { return nil }
        self.init(unchecked: text)
    }

    /// A new identifier; its first characters are `lead`, the rest is random (`getrandom`).
    public static func mint(lead: String = "") -> Self {
        // Twelve characters of each random word: 36¹² is far below 2⁶⁴, so none is likelier than another
        // by more than one in a million.
        var generator = SystemRandomNumberGenerator()
        var word: UInt64 = 0
        let rest = (lead.utf8.count..<length).enumerated().map { index, _ in
            if index % 12 == 0 { word = generator.next() }
            defer { word /= UInt64(alphabet.count) }
            return alphabet[Int(word % UInt64(alphabet.count))]
        }
        return Self(unchecked: prefix + lead + String(decoding: rest, as: UTF8.self))
    }

    /// What a digest of at least 16 bytes stands for: the same for the same digest. For ids of 22 letters and digits.
    public init(digest: [UInt8]) {
        precondition(digest.count >= 16 && Self.length <= 24)
        var words = [UInt64](repeating: 0, count: 2)
        for (index, byte) in digest.prefix(16).enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
        let characters = (0..<Self.length).map { index in
            let word = words[index / 12]
            words[index / 12] = word / UInt64(alphabet.count)
            return alphabet[Int(word % UInt64(alphabet.count))]
        }
        self.init(unchecked: Self.prefix + String(decoding: characters, as: UTF8.self))
    }

    public var description: String { text }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let id = Self(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not an id of the form \(Self.prefix)…")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// A sandbox: `sb-` and 26 characters, of which the first four name the node it lives on.
public struct SandboxID: MintedID {
    public static let prefix = "sb-"
    public static let length = 26
    public let text: String
    public init(unchecked text: String) { self.text = text }

    /// The four characters that name the node.
    public var node: NodeName { NodeName(unchecked: String(text.dropFirst(3).prefix(4))) }
}

/// An app: `ap-` and 22 characters.
public struct AppID: MintedID {
    public static let prefix = "ap-"
    public static let length = 22
    public let text: String
    public init(unchecked text: String) { self.text = text }
}

/// An image: `im-` and 22 characters, which follow from what it is made of.
public struct ImageID: MintedID {
    public static let prefix = "im-"
    public static let length = 22
    public let text: String
    public init(unchecked text: String) { self.text = text }
}

/// An uploaded build context: `cx-` and 22 characters.
public struct BuildContextID: MintedID {
    public static let prefix = "cx-"
    public static let length = 22
    public let text: String
    public init(unchecked text: String) { self.text = text }
}

/// A connect token, which it isn't a secret of: `cn-` and 22 characters.
public struct ConnectTokenID: MintedID {
    public static let prefix = "cn-"
    public static let length = 22
    public let text: String
    public init(unchecked text: String) { self.text = text }
}

/// The name of one machine that runs sandboxes: four lowercase letters and digits.
public struct NodeName: Sendable, Hashable, CustomStringConvertible {
    public let text: String
    init(unchecked text: String) { self.text = text }

    /// The node in `text`, or nil when it isn't four lowercase letters and digits.
    public init?(_ text: String) {
        guard text.utf8.count == 4, text.utf8.allSatisfy({ alphabet.contains($0) }) else { return nil }
        self.text = text
    }

    /// A random node name, for a data directory's first start.
    public static func mint() -> NodeName {
        NodeName(unchecked: String(SandboxID.mint().text.dropFirst(3).prefix(4)))
    }

    public var description: String { text }
}

/// One run of a command in a sandbox, minted (`ex-` and 22 characters) or chosen by the client
/// (1–64 of `[A-Za-z0-9._-]`, not starting with a dot). The main command's is `main`.
public struct ExecID: Sendable, Hashable, Codable, CustomStringConvertible {
    public let text: String

    /// The sandbox's main command.
    public static let main = ExecID(unchecked: "main")
    /// A run's program.
    public static let run = ExecID(unchecked: "run")

    private init(unchecked text: String) { self.text = text }

    /// The exec id in `text`, or nil when a character or the length isn't allowed.
    public init?(_ text: String) {
        guard (1...64).contains(text.utf8.count), text.utf8.first != UInt8(ascii: "."),
            text.utf8.allSatisfy(NameRules.isNameByte)
        else { return nil }
        self.text = text
    }

    /// A new random exec id.
    public static func mint() -> ExecID {
        ExecID(unchecked: "ex-" + AppID.mint().text.dropFirst(3))
    }

    public var description: String { text }
}
