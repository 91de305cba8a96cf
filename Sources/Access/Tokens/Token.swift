import Crypto
import Foundation
import SandboxModel

/// An access token as its owner holds it: `Authorization: Bearer <id>.<secret>`.
public struct Token: Sendable, Hashable, CustomStringConvertible {
    static let idPrefix = "tk-"
    static let idLength = 22
    static let secretBytes = 32
    /// 32 bytes in base64url without padding.
    static let secretLength = 43
    private static let idAlphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)

    /// `tk-` and 22 lowercase letters and digits; not secret.
    public let id: String
    /// 43 base64url characters that stand for 32 random bytes.
    public let secret: String

    /// Throws `unauthenticated` when either isn't of a token's shape; the error holds neither.
    public init(id: String, secret: String) throws(CordonError) {
        guard Self.isID(id), Self.isSecret(secret) else { throw .badToken }
        self.id = id
        self.secret = secret
    }

    private init(uncheckedID id: String, secret: String) {
        self.id = id
        self.secret = secret
    }

    /// The token in `<id>.<secret>`; throws as `init(id:secret:)` does.
    public init(bearer: String) throws(CordonError) {
        // Longer than any token: not worth splitting.
        guard bearer.utf8.count <= 128, let dot = bearer.firstIndex(of: ".") else { throw .badToken }
        try self.init(id: String(bearer[..<dot]), secret: String(bearer[bearer.index(after: dot)...]))
    }

    /// A new token, from the system's random source.
    static func mint() -> Token {
        var generator = SystemRandomNumberGenerator()
        let id = (0..<idLength).map { _ in idAlphabet[Int.random(in: 0..<idAlphabet.count, using: &generator)] }
        let secret = (0..<secretBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        return Token(
            uncheckedID: idPrefix + String(decoding: id, as: UTF8.self), secret: Base64URL.encode(secret))
    }

    /// The id alone: a token that gets into a log keeps its secret.
    public var description: String { id }

    /// What is kept of the secret. A secret is 32 random bytes, which nobody can guess or list, so
    /// a plain SHA-256 gives nothing away; stretching is for secrets that people choose.
    var secretHash: [UInt8] { Array(SHA256.hash(data: Data(secret.utf8))) }

    static func isID(_ text: String) -> Bool {
        text.utf8.count == idPrefix.utf8.count + idLength && text.hasPrefix(idPrefix)
            && text.utf8.dropFirst(idPrefix.utf8.count).allSatisfy(idAlphabet.contains)
    }

    private static func isSecret(_ text: String) -> Bool {
        text.utf8.count == secretLength
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}

extension CordonError {
    /// One answer for every bad credential: it doesn't say which part is wrong, and repeats none of it.
    static let badToken = CordonError(
        .unauthenticated, "the access token is not valid; send 'Authorization: Bearer <token id>.<secret>'")
}
