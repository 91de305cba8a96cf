import Crypto
import Foundation
import SandboxModel

/// Makes and checks signed statements (JSON Web Tokens, RFC 7519, with HMAC-SHA256): who holds one speaks for a caller,
/// about one sandbox or about any. They are readable by whoever holds them, and good for an hour; a client that needs
/// longer asks again.
public struct StatementSeal: Sendable {
    /// The key's file in the data directory.
    public static let fileName = "statement.key"
    private static let keyBytes = 32
    /// More is none of ours.
    private static let maximumBytes = 1024
    private static let lifetime: Int64 = 3600

    private struct Header: Codable {
        var alg = "HS256"
        var typ = "JWT"
    }

    private struct Claims: Codable {
        var sub: String
        var sandbox: String?
        var iat: Int64
        var exp: Int64
    }

    private let key: SymmetricKey
    private let now: @Sendable () -> Timestamp

    /// Reads the key of `directory`, or makes one (mode 0600) on the first start. A key file of the wrong size is
    /// an error, and stays.
    public init(directory: String, now: @escaping @Sendable () -> Timestamp = { .now() }) throws {
        self.now = now
        let path = directory + "/" + Self.fileName
        if let bytes = try PrivateFile.read(path) {
            guard bytes.count == Self.keyBytes else {
                throw PrivateFile.Failure(
                    file: Self.fileName, step: "its size is not \(Self.keyBytes) bytes", code: EINVAL)
            }
            key = SymmetricKey(data: bytes)
        } else {
            let fresh = SymmetricKey(size: .bits256)
            try PrivateFile.write(fresh.withUnsafeBytes { [UInt8]($0) }, to: path)
            key = fresh
        }
    }

    /// A statement for a caller.
    public func statement(for caller: Caller, about sandbox: SandboxID?) throws -> String {
        let time = now().microseconds / 1_000_000
        let claims = Claims(sub: caller.tokenID, sandbox: sandbox?.text, iat: time, exp: time + Self.lifetime)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let signed = "\(Base64URL.encode(try encoder.encode(Header()))).\(Base64URL.encode(try encoder.encode(claims)))"
        return "\(signed).\(Base64URL.encode(Data(code(of: signed))))"
    }

    /// Who is spoken for, and about which sandbox; throws `unauthenticated` for what isn't one of ours, or is too old.
    /// The error holds nothing of it.
    public func open(_ statement: String) throws(CordonError) -> (caller: Caller, sandbox: SandboxID?) {
        guard statement.utf8.count <= Self.maximumBytes, let dot = statement.lastIndex(of: "."),
            let signature = Base64URL.decode(String(statement[statement.index(after: dot)...])),
            HMAC<SHA256>.isValidAuthenticationCode(
                signature, authenticating: Data(statement[..<dot].utf8), using: key),
            let middle = statement[..<dot].firstIndex(of: "."),
            let data = Base64URL.decode(String(statement[statement.index(after: middle)..<dot])),
            let claims = try? JSONDecoder().decode(Claims.self, from: data)
        else { throw CordonError(.unauthenticated, "the statement that came with the call isn't valid") }
        guard claims.exp > now().microseconds / 1_000_000 else {
            throw CordonError(.unauthenticated, "the statement that came with the call has expired; ask for a new one")
        }
        return (Caller(tokenID: claims.sub), claims.sandbox.flatMap { SandboxID($0) })
    }

    private func code(of text: String) -> HashedAuthenticationCode<SHA256> {
        HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key)
    }
}
