/// The character rule that apps, sandboxes and exec ids share.
package enum NameRules {
    /// Whether `byte` is one of `[A-Za-z0-9._-]`.
    package static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// The rule in words, for error texts.
    package static let rule = "1–63 characters of [A-Za-z0-9._-], not starting with a dot"

    package static func isName(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: ".")
            && text.utf8.allSatisfy(isNameByte)
    }
}

/// A sandbox's name, which belongs to at most one running sandbox of an app.
public struct SandboxName: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    /// Throws `invalidArgument` for `field` when `text` isn't 1–63 characters of `[A-Za-z0-9._-]`.
    public init(_ text: String, field: String = "name") throws(CordonError) {
        guard NameRules.isName(text) else {
            throw .invalid(field: field, value: text, rule: NameRules.rule)
        }
        self.text = text
    }

    public var description: String { text }
}

/// An app's name; sandboxes are grouped and named within it. `default` unless said otherwise.
public struct AppName: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    /// The app of sandboxes that were created without one.
    public static let `default` = AppName(unchecked: "default")

    private init(unchecked text: String) { self.text = text }

    /// Throws `invalidArgument` for `field` when `text` isn't 1–63 characters of `[A-Za-z0-9._-]`.
    public init(_ text: String, field: String = "app") throws(CordonError) {
        guard NameRules.isName(text) else {
            throw .invalid(field: field, value: text, rule: NameRules.rule)
        }
        self.text = text
    }

    public var description: String { text }
}

/// A sandbox's tags: at most 50 pairs; keys 1–63 characters of `[A-Za-z0-9._/-]`, values at most
/// 256 bytes of text without control characters.
public struct Tags: Sendable, Hashable {
    public static let maximumCount = 50
    public let pairs: [String: String]

    public static let none = Tags(unchecked: [:])

    private init(unchecked pairs: [String: String]) { self.pairs = pairs }

    /// Throws `invalidArgument` for the field `tags` (or `tags.<key>`) when a limit is broken.
    public init(_ pairs: [String: String]) throws(CordonError) {
        guard pairs.count <= Self.maximumCount else {
            throw .invalid(
                field: "tags", value: "\(pairs.count) tags", rule: "at most \(Self.maximumCount) tags")
        }
        for (key, value) in pairs {
            guard (1...63).contains(key.utf8.count),
                key.utf8.allSatisfy({ NameRules.isNameByte($0) || $0 == UInt8(ascii: "/") })
            else {
                throw .invalid(
                    field: "tags", value: key, rule: "keys are 1–63 characters of [A-Za-z0-9._/-]")
            }
            guard value.utf8.count <= 256, value.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f })
            else {
                throw .invalid(
                    field: "tags.\(key)", value: value,
                    rule: "values are at most 256 bytes without control characters")
            }
        }
        self.pairs = pairs
    }

    /// Whether every pair of `wanted` is among these.
    public func contains(_ wanted: Tags) -> Bool {
        wanted.pairs.allSatisfy { pairs[$0.key] == $0.value }
    }
}
