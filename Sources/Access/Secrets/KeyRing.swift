import Crypto
import Foundation

/// The keys that secrets are sealed with. The first one seals, all of them open: a new key is put in
/// front, and an old one may go once nothing is sealed with it.
///
/// As text: `id:key` on each line (or separated by commas), the key being 32 bytes in base64; `#` begins a comment.
public struct KeyRing: Sendable {
    /// The file of a service that is given no other, in its own directory.
    public static let fileName = "secret-keys"
    /// The variable that can hold the text itself.
    public static let variable = "CORDON_SECRET_KEYS"
    private static let maximumKeys = 16
    private static let keyBytes = 32

    /// What is wrong with a text of keys; it holds no key.
    public struct Malformed: Error, Hashable, CustomStringConvertible {
        public let description: String
    }

    /// At least one; the first one seals.
    let keys: [(id: String, key: SymmetricKey)]

    public var currentID: String { keys[0].id }
    public var ids: [String] { keys.map(\.id) }

    public init(text: String) throws(Malformed) {
        var keys: [(id: String, key: SymmetricKey)] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let content = line.prefix { $0 != "#" }
            for entry in content.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
                let key = try Self.key(entry, line: index + 1)
                guard !keys.contains(where: { $0.id == key.id }) else {
                    throw Malformed(description: "line \(index + 1): the key \(key.id) is there twice")
                }
                keys.append(key)
            }
        }
        guard (1...Self.maximumKeys).contains(keys.count) else {
            throw Malformed(description: "1 to \(Self.maximumKeys) keys belong there, not \(keys.count)")
        }
        self.keys = keys
    }

    private static func key(_ entry: Substring, line: Int) throws(Malformed) -> (id: String, key: SymmetricKey) {
        let halves = entry.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2, (1...32).contains(halves[0].utf8.count),
            halves[0].utf8.allSatisfy({
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 || $0 == 95
            })
        else {
            throw Malformed(description: "line \(line): id:key belongs there, the id being 1–32 of [A-Za-z0-9_-]")
        }
        guard let bytes = Data(base64Encoded: String(halves[1])), bytes.count == keyBytes else {
            throw Malformed(description: "line \(line): the key \(halves[0]) isn't \(keyBytes) bytes in base64")
        }
        return (String(halves[0]), SymmetricKey(data: bytes))
    }

    /// A new key as a line of text.
    public static func mintLine() -> String {
        var generator = SystemRandomNumberGenerator()
        let id = String(UInt64.random(in: (1 << 32)...UInt64.max, using: &generator), radix: 36)
        let key = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0).base64EncodedString() }
        return "k\(id):\(key)"
    }

    /// The keys in `directory`; made on the first start. A file that can't be understood is an error, and
    /// stays: it may be the only one that opens what is sealed.
    public static func establish(in directory: String) throws -> KeyRing {
        let path = directory + "/" + fileName
        if let bytes = try PrivateFile.read(path) { return try KeyRing(text: String(decoding: bytes, as: UTF8.self)) }
        let line = mintLine()
        try PrivateFile.write(Array((line + "\n").utf8), to: path)
        return try KeyRing(text: line)
    }

    /// Puts a new key in front of those in `directory`; returns its id. The next start seals everything with it.
    public static func rotate(in directory: String) throws -> String {
        let path = directory + "/" + fileName
        guard let bytes = try PrivateFile.read(path) else {
            throw Malformed(description: "there is no \(fileName): the service makes it on its first start")
        }
        let line = mintLine()
        let text = line + "\n" + String(decoding: bytes, as: UTF8.self)
        let ring = try KeyRing(text: text)
        try PrivateFile.write(Array(text.utf8), to: path)
        return ring.currentID
    }
}
