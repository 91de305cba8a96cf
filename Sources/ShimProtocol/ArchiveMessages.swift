import SandboxModel

/// Unpack an archive: pieces follow as `FileData`, and `FileEnd`, as for `WriteFile`. Answered once, by
/// `ArchiveUnpacked` behind the end or by a `Fault` as soon as there is one.
public struct UnpackArchive: Message, Hashable {
    public static let type = MessageType.unpackArchive
    public var unpacking: Unpacking

    public init(_ unpacking: Unpacking) { self.unpacking = unpacking }

    public func encode(into writer: inout WireWriter) {
        writer.put(unpacking.path.text)
        writer.put(unpacking.kind.rawValue)
        writer.put(unpacking.compression.rawValue)
        writer.put(unpacking.mostBytes)
        writer.put(unpacking.mostEntries)
        writer.put(unpacking.owner != nil)
        writer.put(unpacking.owner?.user ?? 0)
        writer.put(unpacking.owner?.group ?? 0)
        writer.putOptional(unpacking.mode)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let path = try reader.path()
        guard let kind = Unpacking.Kind(rawValue: try reader.integer()) else { throw WireError("unknown kind") }
        unpacking = Unpacking(
            path: path, kind: kind, compression: try reader.compression(), mostBytes: try reader.integer(),
            mostEntries: try reader.integer())
        guard reader.remaining > 0 else { return }
        let isOwned = try reader.bool()
        let owner = FileOwner(user: try reader.integer(), group: try reader.integer())
        unpacking.owner = isOwned ? owner : nil
        unpacking.mode = try reader.optionalMode()
    }
}

/// An archive has been unpacked.
public struct ArchiveUnpacked: Message, Hashable {
    public static let type = MessageType.archiveUnpacked
    /// How many paths of what was left out are told.
    public static let mostLeftOut = 100
    public var summary: UnpackingSummary

    public init(_ summary: UnpackingSummary) { self.summary = summary }

    public func encode(into writer: inout WireWriter) {
        writer.put(summary.entries)
        writer.put(summary.bytes)
        writer.put(summary.digest)
        writer.put(summary.leftOut)
        writer.put(summary.leftOutCount)
    }

    /// Throws for what can't be a SHA-256, and for a longer list than is due.
    public init(from reader: inout WireReader) throws(WireError) {
        summary = UnpackingSummary(
            entries: try reader.integer(), bytes: try reader.integer(), digest: try reader.blob(),
            leftOut: try reader.strings(), leftOutCount: try reader.integer())
        guard summary.digest.count == 32, summary.leftOut.count <= Self.mostLeftOut,
            summary.leftOutCount <= UInt32.max
        else {
            throw WireError("not a summary of an archive")
        }
    }
}

/// Make a tar archive of a directory. Answered by its `FileState`, then `FileData`, and `FileEnd` behind
/// the whole archive or a `Fault` where it breaks off; or by a `Fault` alone.
public struct PackDirectory: Message, Hashable {
    public static let type = MessageType.packDirectory
    public var path: FilePath
    public var compression: ArchiveCompression
    public var omitsTimes: Bool

    public init(path: FilePath, compression: ArchiveCompression, omitsTimes: Bool = false) {
        self.path = path
        self.compression = compression
        self.omitsTimes = omitsTimes
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(path.text)
        writer.put(compression.rawValue)
        writer.put(omitsTimes)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        path = try reader.path()
        compression = try reader.compression()
        omitsTimes = reader.remaining > 0 ? try reader.bool() : false
    }
}

extension WireReader {
    fileprivate mutating func path() throws(WireError) -> FilePath {
        let text = try string()
        do { return try FilePath(text) } catch { throw WireError("not a path") }
    }

    fileprivate mutating func compression() throws(WireError) -> ArchiveCompression {
        guard let compression = ArchiveCompression(rawValue: try integer()) else {
            throw WireError("unknown compression")
        }
        return compression
    }
}
