import SandboxModel

/// Watch a file, or a directory with all beneath when `recursive`. Answered by `FileState` once it is watched,
/// then by `FileChanges` as they happen, and `FileEnd` when what is watched is no more; or by a `Fault`. Ends
/// with the next request too.
public struct WatchFiles: Message, Hashable {
    public static let type = MessageType.watchFiles
    /// The most directories that one agent watches.
    public static let mostDirectories = 8192
    public var path: String
    public var recursive: Bool

    public init(path: String, recursive: Bool) {
        self.path = path
        self.recursive = recursive
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(path)
        writer.put(recursive)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        path = try reader.string()
        recursive = try reader.bool()
    }
}

/// What has happened, in order; nothing, now and then, when nothing has.
public struct FileChanges: Message, Hashable {
    public static let type = MessageType.fileChanges
    /// How many one message tells of.
    public static let most = 512
    public var changes: [FileChange]

    public init(_ changes: [FileChange]) { self.changes = changes }
    public func encode(into writer: inout WireWriter) { writer.put(changes) }
    public init(from reader: inout WireReader) throws(WireError) {
        changes = try reader.values()
        guard changes.count <= Self.most else { throw WireError("more changes than one message tells of") }
    }
}

extension FileChange: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(kind.wireNumber)
        writer.put(path)
        writer.put(newPath != nil)
        if let newPath { writer.put(newPath) }
        writer.put(isDirectory)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let number: UInt8 = try reader.integer()
        guard let kind = Kind.allCases.first(where: { $0.wireNumber == number }) else {
            throw WireError("unknown change \(number)")
        }
        self.init(
            kind, path: try reader.blob(), newPath: try reader.bool() ? try reader.blob() : nil,
            isDirectory: try reader.bool())
        guard path.count <= FilePath.maximumBytes, newPath?.count ?? 0 <= FilePath.maximumBytes else {
            throw WireError("a path that is too long")
        }
    }
}

extension FileChange.Kind {
    /// Numbers on the wire; never reused.
    var wireNumber: UInt8 {
        switch self {
        case .created: 1
        case .modified: 2
        case .removed: 3
        case .renamed: 4
        case .overflow: 5
        case .movedIn: 6
        case .movedOut: 7
        }
    }
}
