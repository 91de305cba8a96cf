import SandboxModel

/// What of a file a request asks for (RFC 9110, section 14): one range of bytes, or all.
struct ByteRange: Equatable {
    let start: UInt64
    let length: UInt64

    /// The range that a `Range` field asks for of a file of that size; nil for all of it. A field that
    /// isn't one range of bytes is ignored, as the RFC wants. Throws `outOfRange` for one beyond the end.
    init?(_ field: String?, size: UInt64) throws(CordonError) {
        guard let field, field.hasPrefix("bytes="), !field.contains(",") else { return nil }
        let halves = field.dropFirst(6).split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2, let first = Self.number(halves[0]), let last = Self.number(halves[1]) else {
            return nil
        }
        switch (first, last) {
        case (nil, nil): return nil
        case (nil, let suffix?):
            guard suffix > 0, size > 0 else { throw Self.beyond(field, size) }
            length = min(suffix, size)
            start = size - length
        case (let first?, let last):
            if let last, last < first { return nil }
            guard first < size else { throw Self.beyond(field, size) }
            start = first
            length = min(last ?? size - 1, size - 1) - first + 1
        }
    }

    /// `.some(nil)` for nothing, nil for what is no number.
    private static func number(_ text: Substring) -> UInt64?? {
        if text.isEmpty { return .some(nil) }
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt64(text) else { return nil }
        return .some(number)
    }

    private static func beyond(_ field: String, _ size: UInt64) -> CordonError {
        CordonError(
            .outOfRange, "the file has \(size) bytes", field: "Range", value: field, rule: "a range within the file",
            detail: ["end": String(size)])
    }
}
