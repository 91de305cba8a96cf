/// Which differences of two trees are wanted.
public struct TreeDiffQuery: Sendable, Hashable {
    public static let mostChanges = 1000

    /// This path and what lies below it; the root for everything.
    public var path: FilePath
    /// Only what comes behind this path (components from the root): a page's cursor.
    public var after: [UInt8]?
    /// 1–1,000.
    public var limit: Int
    /// Whether text files are compared line by line.
    public var showsText: Bool

    public init(path: FilePath = .root, after: [UInt8]? = nil, limit: Int = 1000, showsText: Bool = false) {
        self.path = path
        self.after = after
        self.limit = limit
        self.showsText = showsText
    }
}

/// One path at which two trees differ.
public struct TreeChange: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case added, modified, removed
    }

    /// From the root, without a slash before it. Nothing makes it UTF-8.
    public var path: [UInt8]
    public var kind: Kind
    /// nil for what is added.
    public var before: FileAttributes?
    /// nil for what is removed.
    public var after: FileAttributes?
    /// nil where it wasn't asked for, and for what is no file.
    public var text: TextDifference?

    public init(
        path: [UInt8], kind: Kind, before: FileAttributes? = nil, after: FileAttributes? = nil,
        text: TextDifference? = nil
    ) {
        self.path = path
        self.kind = kind
        self.before = before
        self.after = after
        self.text = text
    }
}

/// What a changed file's lines have to say.
public enum TextDifference: Sendable, Hashable {
    /// As diff(1) with `-u` writes it; empty where the content is the same.
    case unified(String)
    /// It isn't text on both sides: UTF-8 without a NUL.
    case binary
    /// It, or all of one page together, has more than is compared line by line.
    case tooLarge
}

/// One page of differences, each directory before what is in it, names in the order of their bytes.
public struct TreeDiff: Sendable, Hashable {
    public var changes: [TreeChange]
    /// Where the next page starts; nil when this is the last.
    public var next: [UInt8]?

    public init(changes: [TreeChange] = [], next: [UInt8]? = nil) {
        self.changes = changes
        self.next = next
    }
}
