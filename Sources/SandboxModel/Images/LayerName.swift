/// The name of a layer: 1–80 lowercase letters, digits and dashes, the first no dash. Safe as a path component.
public struct LayerName: Sendable, Hashable, CustomStringConvertible {
    public static let maximumBytes = 80
    public let text: String

    /// nil when `text` is no such name.
    public init?(_ text: String) {
        guard (1...Self.maximumBytes).contains(text.utf8.count), text.utf8.first != UInt8(ascii: "-"),
            text.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-") })
        else { return nil }
        self.text = text
    }

    public var description: String { text }
}
