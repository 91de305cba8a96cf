import CLibcrypto

/// The SHA-256 of what goes by.
struct SHA256Digest {
    private var context = SHA256_CTX()

    init() { SHA256_Init(&context) }

    mutating func take(_ bytes: UnsafeRawBufferPointer) { SHA256_Update(&context, bytes.baseAddress, bytes.count) }

    mutating func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256_Final(&digest, &context)
        return digest
    }
}
