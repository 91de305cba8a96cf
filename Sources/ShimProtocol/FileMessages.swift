import SandboxModel

/// Start a file agent on this connection, as `user` (empty for root). Answered by the agent's
/// `FilesReady`, or a `Failure`; from then on the connection is the agent's.
public struct OpenFiles: Message, Hashable {
    public static let type = MessageType.openFiles
    public var user: String

    public init(user: String) { self.user = user }
    public func encode(into writer: inout WireWriter) { writer.put(user) }
    public init(from reader: inout WireReader) throws(WireError) { user = try reader.string() }
}

/// The agent's first word.
public struct FilesReady: Message {
    public static let type = MessageType.filesReady
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}

/// Write a file: pieces follow as `FileData`, and `FileEnd`. Answered once, by `FileState` behind the
/// end, or by a `Fault` as soon as there is one; what still comes up to the end is then thrown away.
public struct WriteFile: Message, Hashable {
    public static let type = MessageType.writeFile
    public var path: String
    public var mode: UInt32?
    public var atomic: Bool
    public var makesParents: Bool

    public init(path: String, mode: UInt32?, atomic: Bool, makesParents: Bool) {
        self.path = path
        self.mode = mode
        self.atomic = atomic
        self.makesParents = makesParents
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(path)
        writer.putOptional(mode)
        writer.put(atomic)
        writer.put(makesParents)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        path = try reader.string()
        mode = try reader.optionalMode()
        atomic = try reader.bool()
        makesParents = try reader.bool()
    }
}

/// Read a file. Answered by `FileState`, then `FileData` and `FileEnd`, or by a `Fault`.
public struct ReadFile: Message, Hashable {
    public static let type = MessageType.readFile
    public var path: String
    public var offset: UInt64
    public var length: UInt64

    public init(path: String, offset: UInt64, length: UInt64) {
        self.path = path
        self.offset = offset
        self.length = length
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(path)
        writer.put(offset)
        writer.put(length)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        path = try reader.string()
        offset = try reader.integer()
        length = try reader.integer()
    }
}

/// A piece of a file's content.
public struct FileData: Message, Hashable {
    public static let type = MessageType.fileData
    /// The largest piece that either side sends.
    public static let maximumBytes = 256 * 1024
    public var bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }
    public func encode(into writer: inout WireWriter) { writer.put(bytes) }
    public init(from reader: inout WireReader) throws(WireError) { bytes = try reader.blob() }

    /// The bytes that lie before a piece, in a frame of its own.
    public static let headSize = Frame.headerSize + 4

    /// Those bytes, for a piece of so many.
    public static func head(ofPiece count: Int) -> [UInt8] {
        var head = WireWriter()
        head.put(UInt32(headSize - 4 + count))
        head.put(type.rawValue)
        head.put(UInt64(0))
        head.put(UInt32(count))
        return head.bytes
    }

    /// The piece in the payload of such a frame, where it lies.
    public static func piece(in payload: UnsafeRawBufferPointer) throws(WireError) -> UnsafeRawBufferPointer {
        guard payload.count >= 4 else { throw WireError("a field ends beyond its message") }
        let count = Int(UInt32(littleEndian: payload.loadUnaligned(as: UInt32.self)))
        guard count <= payload.count - 4 else { throw WireError("a field ends beyond its message") }
        return UnsafeRawBufferPointer(rebasing: payload[4..<(4 + count)])
    }
}

/// The end of a file's content; not whole when whoever sends it could not go on.
public struct FileEnd: Message, Hashable {
    public static let type = MessageType.fileEnd
    public var isWhole: Bool

    public init(isWhole: Bool) { self.isWhole = isWhole }
    public func encode(into writer: inout WireWriter) { writer.put(isWhole) }
    public init(from reader: inout WireReader) throws(WireError) { isWhole = try reader.bool() }
}

/// Tell what a path names. Answered by `FileState` or a `Fault`.
public struct DescribeFile: Message, Hashable {
    public static let type = MessageType.describeFile
    public var path: String
    public var followsLinks: Bool

    public init(path: String, followsLinks: Bool) {
        self.path = path
        self.followsLinks = followsLinks
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(path)
        writer.put(followsLinks)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        path = try reader.string()
        followsLinks = try reader.bool()
    }
}

/// List a directory's entries behind a name. Answered by `DirectoryListing`s, or a `Fault`.
public struct ListDirectory: Message, Hashable {
    public static let type = MessageType.listDirectory
    /// The most entries of one page.
    public static let maximumEntries = 10_000
    public var path: String
    public var after: [UInt8]
    public var limit: UInt32

    public init(path: String, after: [UInt8], limit: UInt32) {
        self.path = path
        self.after = after
        self.limit = limit
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(path)
        writer.put(after)
        writer.put(limit)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        path = try reader.string()
        after = try reader.blob()
        limit = try reader.integer()
    }
}

/// Make a directory; with parents, one that is there is fine. Answered by `Done` or a `Fault`, as are
/// the three that follow.
public struct MakeDirectory: Message, Hashable {
    public static let type = MessageType.makeDirectory
    public var path: String
    public var parents: Bool
    public var mode: UInt32?

    public init(path: String, parents: Bool, mode: UInt32?) {
        self.path = path
        self.parents = parents
        self.mode = mode
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(path)
        writer.put(parents)
        writer.putOptional(mode)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        path = try reader.string()
        parents = try reader.bool()
        mode = try reader.optionalMode()
    }
}

/// Remove a file or an empty directory, or a whole tree.
public struct RemoveFile: Message, Hashable {
    public static let type = MessageType.removeFile
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

/// Give a file another path.
public struct RenameFile: Message, Hashable {
    public static let type = MessageType.renameFile
    public var path: String
    public var other: String
    public var replaces: Bool

    public init(path: String, other: String, replaces: Bool) {
        self.path = path
        self.other = other
        self.replaces = replaces
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(path)
        writer.put(other)
        writer.put(replaces)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        path = try reader.string()
        other = try reader.string()
        replaces = try reader.bool()
    }
}

/// Set a file's permissions.
public struct ChangeMode: Message, Hashable {
    public static let type = MessageType.changeMode
    public var path: String
    public var mode: UInt32

    public init(path: String, mode: UInt32) {
        self.path = path
        self.mode = mode
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(path)
        writer.put(mode)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        path = try reader.string()
        mode = try reader.integer()
    }
}

/// Say what a regular file's content, or a link's target, comes to. Answered by `FileDigest`.
public struct DigestFile: Message, Hashable {
    public static let type = MessageType.digestFile
    public var path: String

    public init(path: String) { self.path = path }
    public func encode(into writer: inout WireWriter) { writer.put(path) }
    public init(from reader: inout WireReader) throws(WireError) { path = try reader.string() }
}
