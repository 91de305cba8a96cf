import SandboxModel

/// A file as it is.
public struct FileState: Message, Hashable {
    public static let type = MessageType.fileState
    public var attributes: FileAttributes

    public init(attributes: FileAttributes) { self.attributes = attributes }

    public func encode(into writer: inout WireWriter) {
        writer.put(attributes)
        writer.put(attributes.linkTarget ?? [])
    }

    public init(from reader: inout WireReader) throws(WireError) {
        attributes = try reader.value()
        // An agent of an older service says nothing of it.
        guard reader.remaining > 0 else { return }
        let target: [UInt8] = try reader.blob()
        if !target.isEmpty { attributes.linkTarget = target }
    }
}

/// Some of a page's entries; the last of a page says whether there are more behind it.
public struct DirectoryListing: Message, Hashable {
    public static let type = MessageType.directoryListing
    public var entries: [DirectoryEntry]
    public var isLast: Bool
    public var hasMore: Bool

    public init(entries: [DirectoryEntry], isLast: Bool, hasMore: Bool) {
        self.entries = entries
        self.isLast = isLast
        self.hasMore = hasMore
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(entries)
        writer.put(isLast)
        writer.put(hasMore)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        entries = try reader.values()
        isLast = try reader.bool()
        hasMore = try reader.bool()
    }
}

/// An operation could not be done.
public struct Fault: Message, Error, Hashable {
    public static let type = MessageType.fileFault
    public var fault: FileFault
    /// What it was about, where the path alone doesn't tell: an archive's entry, or what is wrong with it.
    public var note: String

    public init(_ fault: FileFault, note: String = "") {
        self.fault = fault
        self.note = note
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(fault.wireNumber)
        writer.put(note)
    }

    public init(from reader: inout WireReader) throws(WireError) {
        let number: UInt8 = try reader.integer()
        guard let fault = FileFault.allCases.first(where: { $0.wireNumber == number }) else {
            throw WireError("unknown fault \(number)")
        }
        self.fault = fault
        // Agents of before say no more.
        note = reader.remaining > 0 ? try reader.string() : ""
    }
}

/// An operation takes its time and goes on.
public struct Working: Message {
    public static let type = MessageType.working
    public init() {}
    public func encode(into writer: inout WireWriter) {}
    public init(from reader: inout WireReader) throws(WireError) {}
}

/// A SHA-256.
public struct FileDigest: Message, Hashable {
    public static let type = MessageType.fileDigest
    public var bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }
    public func encode(into writer: inout WireWriter) { writer.put(bytes) }

    /// Throws for what can't be one.
    public init(from reader: inout WireReader) throws(WireError) {
        bytes = try reader.blob()
        guard bytes.count == 32 else { throw WireError("not a SHA-256") }
    }
}
