import Crypto
import Foundation

/// The keyed hash of a request's body that an idempotency key is remembered with: without the key
/// file, nobody can test from a stolen catalog what a body was.
public struct BodyHasher: Sendable {
    /// The key's file in the data directory.
    public static let fileName = "body-hash.key"
    private static let keyBytes = 32

    private let key: SymmetricKey

    /// Reads the key of `directory`, or makes one (mode 0600) on the first start. A key file of
    /// the wrong size is an error, and stays.
    public init(directory: String) throws {
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

    /// HMAC-SHA256 of `body`.
    public func hash(_ body: some DataProtocol) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: body, using: key))
    }
}
