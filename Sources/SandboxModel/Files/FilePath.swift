/// A path inside a sandbox: absolute, at most 4,095 bytes, without NUL. The sandbox's own view says
/// what it leads to.
public struct FilePath: Sendable, Hashable, CustomStringConvertible {
    public static let maximumBytes = 4095

    public let text: String

    public static let root = FilePath(unchecked: "/")

    private init(unchecked text: String) { self.text = text }

    /// Throws `invalidArgument` for `field`.
    public init(_ text: String, field: String = "path") throws(CordonError) {
        guard text.isAbsolutePath, !text.utf8.contains(0), text.utf8.count <= Self.maximumBytes else {
            throw .invalid(
                field: field, value: text, rule: "an absolute path of at most \(Self.maximumBytes) bytes without NUL")
        }
        self.text = text
    }

    /// The path of `text` below `directory`, or `text` itself where it is absolute. Throws
    /// `invalidArgument` for `field` when a component is `..`, or nothing is named.
    public init(_ text: String, below directory: String, field: String) throws(CordonError) {
        let components = text.pathComponents
        guard !components.contains(".."), let last = components.last, !last.isEmpty, last != "." else {
            throw .invalid(field: field, value: text, rule: "a file's path, without \"..\"")
        }
        let base = directory.hasSuffix("/") ? directory : directory + "/"
        self = try FilePath(text.isAbsolutePath ? text : base + text, field: field)
    }

    public var description: String { text }
}
