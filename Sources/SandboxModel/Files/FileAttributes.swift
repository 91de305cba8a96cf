/// What kind of thing a path names.
public enum FileKind: String, Sendable, Hashable, CaseIterable {
    case file
    case directory
    case link
    case fifo
    case socket
    case characterDevice = "character_device"
    case blockDevice = "block_device"
    case unknown
}

/// A file as its sandbox says that it is: hostile in every value.
public struct FileAttributes: Sendable, Hashable {
    public var kind: FileKind
    /// In bytes.
    public var size: UInt64
    /// The lower twelve bits: permissions, set-id, sticky.
    public var mode: UInt32
    /// As the sandbox numbers them.
    public var user: UInt32
    public var group: UInt32
    public var modifiedAt: Timestamp
    /// Where a link leads, as bytes: nothing makes them UTF-8. nil for everything else, and where nobody asked for one
    /// file alone.
    public var linkTarget: [UInt8]?

    public init(kind: FileKind, size: UInt64, mode: UInt32, user: UInt32, group: UInt32, modifiedAt: Timestamp) {
        self.kind = kind
        self.size = size
        self.mode = mode
        self.user = user
        self.group = group
        self.modifiedAt = modifiedAt
    }
}

/// One entry of a directory. Its name is bytes: nothing makes them UTF-8.
public struct DirectoryEntry: Sendable, Hashable {
    public var name: [UInt8]
    public var attributes: FileAttributes

    public init(name: [UInt8], attributes: FileAttributes) {
        self.name = name
        self.attributes = attributes
    }
}

/// One page of a directory's entries, in the order of their names' bytes.
public struct DirectoryPage: Sendable, Hashable {
    public var entries: [DirectoryEntry]
    /// Whether there are more behind the last.
    public var hasMore: Bool

    public init(entries: [DirectoryEntry], hasMore: Bool) {
        self.entries = entries
        self.hasMore = hasMore
    }
}

/// Why something could not be done with a file.
public enum FileFault: String, Sendable, Hashable, CaseIterable {
    case notFound = "not_found"
    case notADirectory = "not_a_directory"
    case isADirectory = "is_a_directory"
    case notARegularFile = "not_a_regular_file"
    case exists
    case notEmpty = "not_empty"
    case permissionDenied = "permission_denied"
    case readOnly = "read_only"
    case noSpace = "no_space"
    case tooLarge = "too_large"
    case nameTooLong = "name_too_long"
    case linkLoop = "link_loop"
    case otherFileSystem = "other_file_system"
    case busy
    case invalid
    /// What was to be unpacked is no archive, or holds what is never unpacked.
    case archiveInvalid = "archive_invalid"
    /// An archive holds more than it may.
    case overBudget = "over_budget"
    case failed

    /// The error that fronts show; `detail["reason"]` is the fault's name.
    /// `note` says more where the path alone doesn't tell; it may be the sandbox's word, and is cut and cleaned.
    public func error(_ path: FilePath, field: String = "path", note: String = "") -> CordonError {
        let (code, words): (ErrorCode, String) =
            switch self {
            case .notFound: (.notFound, "there is no such file")
            case .notADirectory: (.failedPrecondition, "it, or something on the way to it, isn't a directory")
            case .isADirectory: (.failedPrecondition, "it is a directory")
            case .notARegularFile: (.failedPrecondition, "it isn't a regular file")
            case .exists: (.alreadyExists, "it exists already")
            case .notEmpty: (.failedPrecondition, "the directory isn't empty")
            case .permissionDenied: (.permissionDenied, "the sandbox's user may not do this")
            case .readOnly: (.permissionDenied, "it lies on a read-only file system")
            case .noSpace: (.resourceExhausted, "there is no space left")
            case .tooLarge: (.outOfRange, "the file is too large")
            case .nameTooLong: (.invalidArgument, "the path or a name in it is too long")
            case .linkLoop:
                (.failedPrecondition, "there are too many links on the way to it, or one of the kernel's own")
            case .otherFileSystem: (.failedPrecondition, "it lies on another file system")
            case .busy: (.failedPrecondition, "it is in use")
            case .invalid: (.invalidArgument, "this can't be done with it")
            case .archiveInvalid: (.invalidArgument, "the archive can't be unpacked")
            case .overBudget: (.resourceExhausted, "the archive holds more than is allowed")
            case .failed: (.aborted, "the file operation failed")
            }
        let shown = String(String.UnicodeScalarView(note.unicodeScalars.prefix(256).filter { $0.value >= 0x20 }))
        return CordonError(
            code, "\(path.text.prefix(128)): \(words)" + (shown.isEmpty ? "" : " (\(shown))"), field: field,
            value: path.text, detail: ["reason": rawValue])
    }
}
