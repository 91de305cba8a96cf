import Crypto
import Foundation
import SandboxModel

/// Makes and opens connect tokens: what each allows is inside of it, encrypted and authenticated
/// (AES-256-GCM) with a key that never leaves the service. Nothing is kept of a token; it is good until it
/// expires, is taken back, its sandbox has ended, or the key is gone.
public struct ConnectTokenSeal: ConnectTokenVerifier {
    /// The key's file in the data directory.
    public static let fileName = "connect-token.key"
    private static let keyBytes = 32
    /// Binds the key to this use and this layout.
    private static let purpose = Data("cordon connect token 2".utf8)

    private struct Content: Codable {
        var id: String
        var sandbox: String
        var port: UInt16
        var metadata: String?
        var expiry: Int64

        enum CodingKeys: String, CodingKey {
            case id = "i"
            case sandbox = "s"
            case port = "p"
            case metadata = "m"
            case expiry = "e"
        }
    }

    private let key: SymmetricKey
    private let now: @Sendable () -> Timestamp
    private let revocations: ConnectRevocations

    /// Reads the key of `directory`, or makes one (mode 0600) on the first start. A key file of the wrong size is
    /// an error, and stays.
    public init(directory: String, now: @escaping @Sendable () -> Timestamp = { .now() }) throws {
        self.now = now
        revocations = try ConnectRevocations(directory: directory, now: now)
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

    /// A token for a grant.
    public func seal(_ grant: ConnectGrant) throws -> String {
        let content = Content(
            id: grant.id.text, sandbox: grant.sandbox.text, port: grant.port, metadata: grant.metadata?.text,
            expiry: grant.expiresAt.microseconds)
        // The nonce is random: 2³² tokens of one key come before the chance of two alike is worth a thought.
        let box = try AES.GCM.seal(try JSONEncoder().encode(content), using: key, authenticating: Self.purpose)
        guard let bytes = box.combined else { throw CocoaError(.coderInvalidValue) }
        return ConnectTokenText.prefix + Base64URL.encode(bytes)
    }

    public func grant(of token: String) throws(CordonError) -> ConnectGrant {
        guard ConnectTokenText.isOne(token), let grant = open(token) else { throw .badConnectToken }
        guard grant.expiresAt > now() else { throw .expiredConnectToken }
        guard !isRevoked(grant) else { throw .revokedConnectToken }
        return grant
    }

    public func isRevoked(_ grant: ConnectGrant) -> Bool { revocations.contains(grant) }

    /// Takes a token of a sandbox back: no other's, whatever its id.
    public func revoke(_ id: ConnectTokenID, of sandbox: SandboxID) async throws {
        try await revocations.add(id, of: sandbox)
    }

    private func open(_ token: String) -> ConnectGrant? {
        guard let bytes = Base64URL.decode(String(token.dropFirst(ConnectTokenText.prefix.count))),
            let box = try? AES.GCM.SealedBox(combined: bytes),
            let plain = try? AES.GCM.open(box, using: key, authenticating: Self.purpose),
            let content = try? JSONDecoder().decode(Content.self, from: plain), let id = ConnectTokenID(content.id),
            let sandbox = SandboxID(content.sandbox)
        else { return nil }
        return ConnectGrant(
            id: id, sandbox: sandbox, port: content.port,
            metadata: content.metadata.flatMap { try? UserMetadata(json: $0) },
            expiresAt: Timestamp(microseconds: content.expiry))
    }
}

/// Base64 for URLs, without padding (RFC 4648, section 5).
enum Base64URL {
    static func encode(_ bytes: some DataProtocol) -> String {
        String(
            Data(bytes).base64EncodedString().compactMap { character in
                switch character {
                case "+": "-"
                case "/": "_"
                case "=": nil
                default: character
                }
            })
    }

    /// nil for what `encode` doesn't make, other spellings of the same bytes included.
    static func decode(_ text: String) -> Data? {
        let standard = String(text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 })
        let padding = String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: standard + padding), encode(data) == text else { return nil }
        return data
    }
}

extension CordonError {
    static let badConnectToken = CordonError(.unauthenticated, "the connect token is not valid; ask for a new one")
    static let revokedConnectToken = CordonError(
        .unauthenticated, "the connect token was taken back; ask for a new one")
    static let expiredConnectToken = CordonError(.unauthenticated, "the connect token has expired; ask for a new one")
}
