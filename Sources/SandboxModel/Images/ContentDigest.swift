/// What some bytes are known by: their SHA-256, written `sha256:` and 64 hexadecimal digits.
public struct ContentDigest: Sendable, Hashable, CustomStringConvertible {
    /// 64 lowercase digits.
    public let hex: String

    /// nil for anything but SHA-256 in that form.
    public init?(_ text: String) {
        let prefix = "sha256:"
        guard text.hasPrefix(prefix) else { return nil }
        let digits = text.dropFirst(prefix.count)
        guard digits.utf8.count == 64, digits.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else { return nil }
        hex = String(digits)
    }

    /// The digest of 32 bytes.
    public init(bytes: some Sequence<UInt8>) {
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        precondition(text.count == 64)
        hex = String(decoding: text, as: UTF8.self)
    }

    public var description: String { "sha256:\(hex)" }
}
