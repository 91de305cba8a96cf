import SandboxModel

extension WireWriter {
    mutating func putOptional(_ mode: UInt32?) {
        put(mode != nil)
        if let mode { put(mode) }
    }
}

extension WireReader {
    mutating func optionalMode() throws(WireError) -> UInt32? { try bool() ? try integer() : nil }
}

extension FileAttributes: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(kind.wireNumber)
        writer.put(size)
        writer.put(mode)
        writer.put(user)
        writer.put(group)
        writer.put(modifiedAt)
    }

    /// Throws for a size that no file has (lseek(2)).
    public init(from reader: inout WireReader) throws(WireError) {
        let number: UInt8 = try reader.integer()
        let kind = FileKind.allCases.first { $0.wireNumber == number } ?? .unknown
        let size: UInt64 = try reader.integer()
        guard size <= UInt64(Int64.max) else { throw WireError("not a file's size") }
        self.init(
            kind: kind, size: size, mode: try reader.integer(UInt32.self) & 0o7777,
            user: try reader.integer(), group: try reader.integer(), modifiedAt: try reader.value())
    }
}

extension DirectoryEntry: WireCodable {
    public func encode(into writer: inout WireWriter) {
        writer.put(name)
        writer.put(attributes)
    }

    /// Throws for what can't be a name in a directory.
    public init(from reader: inout WireReader) throws(WireError) {
        let name = try reader.blob()
        guard (1...255).contains(name.count), !name.contains(0), !name.contains(UInt8(ascii: "/")) else {
            throw WireError("not a name")
        }
        self.init(name: name, attributes: try reader.value())
    }
}

extension FileKind {
    /// Numbers on the wire; never reused.
    var wireNumber: UInt8 {
        switch self {
        case .unknown: 0
        case .file: 1
        case .directory: 2
        case .link: 3
        case .fifo: 4
        case .socket: 5
        case .characterDevice: 6
        case .blockDevice: 7
        }
    }
}

extension FileFault {
    /// Numbers on the wire; never reused.
    var wireNumber: UInt8 {
        switch self {
        case .failed: 0
        case .notFound: 1
        case .notADirectory: 2
        case .isADirectory: 3
        case .notARegularFile: 4
        case .exists: 5
        case .notEmpty: 6
        case .permissionDenied: 7
        case .readOnly: 8
        case .noSpace: 9
        case .tooLarge: 10
        case .nameTooLong: 11
        case .linkLoop: 12
        case .otherFileSystem: 13
        case .busy: 14
        case .invalid: 15
        case .archiveInvalid: 16
        case .overBudget: 17
        }
    }
}
