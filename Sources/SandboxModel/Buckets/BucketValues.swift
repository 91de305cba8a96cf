/// A bucket's name: 3–63 lowercase letters, digits, `-` and `.`, a letter or digit at either end.
public struct BucketName: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    /// Throws `invalidArgument` for `field`.
    public init(_ text: String, field: String = "bucket") throws(CordonError) {
        let bytes = Array(text.utf8)
        guard (3...63).contains(bytes.count), bytes.allSatisfy({ Self.isPlain($0) || [45, 46].contains($0) }),
            let first = bytes.first, let last = bytes.last, Self.isPlain(first), Self.isPlain(last),
            !text.contains("..")
        else {
            throw .invalid(
                field: field, value: text,
                rule: "3–63 lowercase letters, digits, - and ., with a letter or digit at either end")
        }
        self.text = text
    }

    private static func isPlain(_ byte: UInt8) -> Bool { (97...122).contains(byte) || (48...57).contains(byte) }

    public var description: String { text }
}

/// What a bucket's keys begin with that are seen: names separated by slashes, none of them `.` or `..`.
public struct KeyPrefix: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    /// A slash at the end doesn't count. Throws `invalidArgument` for `field`.
    public init(_ text: String, field: String = "prefix") throws(CordonError) {
        let trimmed = text.hasSuffix("/") ? String(text.dropLast()) : text
        let names = trimmed.pathComponents
        guard names.allSatisfy({ !["", ".", ".."].contains($0) && $0.utf8.count <= 255 }), trimmed.utf8.count <= 512,
            !trimmed.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) })
        else {
            throw .invalid(
                field: field, value: text,
                rule: "names with slashes between, at most 512 bytes, without control characters, empty names, . and .."
            )
        }
        self.text = trimmed
    }

    public var description: String { text }
}

/// Where an S3 service is: `http` or `https`, a host and maybe a port.
public struct BucketEndpoint: Sendable, Hashable, CustomStringConvertible {
    /// Without a slash at the end.
    public let text: String

    /// Throws `invalidArgument` for `field`; the value isn't repeated where it may hold a password.
    public init(_ text: String, field: String = "endpoint_url") throws(CordonError) {
        let trimmed = text.hasSuffix("/") ? text.dropLast() : text[...]
        let schemes = ["https://", "http://"]
        guard let scheme = schemes.first(where: { trimmed.hasPrefix($0) }), trimmed.utf8.count <= 300,
            Self.isAuthority(trimmed.dropFirst(scheme.count))
        else {
            throw .invalid(
                field: field, value: text.contains("@") ? nil : text,
                rule: "http:// or https:// and a host, with :port where it isn't the usual, and nothing behind it")
        }
        self.text = String(trimmed)
    }

    private static func isAuthority(_ text: Substring) -> Bool {
        var host = text
        var port: Substring?
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return false }
            let rest = text[text.index(after: close)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return false }
            port = rest.isEmpty ? nil : rest.dropFirst()
            host = text[text.index(after: text.startIndex)..<close]
            guard IPAddress(host)?.family == .v6 else { return false }
        } else {
            let halves = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            host = halves.first ?? ""
            port = halves.count == 2 ? halves[1] : nil
            guard isHost(host) else { return false }
        }
        guard let port else { return true }
        return port.utf8.count <= 5 && port.utf8.allSatisfy { (48...57).contains($0) } && UInt16(port) ?? 0 > 0
    }

    private static func isHost(_ text: Substring) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.utf8.first != 45 && label.utf8.last != 45
                    && label.utf8.allSatisfy {
                        (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0) || $0 == 45
                    }
            }
    }

    public var description: String { text }
}

/// A region's name, such as `eu-central-1` or `auto`.
public struct BucketRegion: Sendable, Hashable, CustomStringConvertible {
    public static let usual = BucketRegion(unchecked: "us-east-1")

    public let text: String

    private init(unchecked text: String) { self.text = text }

    /// Throws `invalidArgument` for `field`.
    public init(_ text: String, field: String = "region") throws(CordonError) {
        guard (1...64).contains(text.utf8.count),
            text.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 45 })
        else {
            throw .invalid(field: field, value: text, rule: "1–64 lowercase letters, digits and -")
        }
        self.text = text
    }

    public var description: String { text }
}
