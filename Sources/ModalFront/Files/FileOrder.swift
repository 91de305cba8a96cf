import FoundationEssentials
import SandboxModel

/// What a client asks of Modal's file program, which it runs by an exec with one argument of JSON. There is no such
/// program in a sandbox of ours: the exec is answered here, by a file agent.
enum FileOrder {
    static let program = "/__modal/.bin/modal-sandbox-fs-tools"

    case read(FilePath)
    case write(FilePath)
    case list(FilePath)
    case stat(FilePath)
    case makeDirectory(FilePath, parents: Bool)
    case remove(FilePath, recursive: Bool)
    case watch(FilePath, recursive: Bool, filter: Set<String>?, timeout: Duration?)

    private struct Arguments: Decodable {
        var path: String
        var parents: Bool?
        var recursive: Bool?
        var filter: [String]?
        var timeoutSecs: Double?
    }

    /// Throws `invalidArgument` for a command that isn't one of these.
    init(command: [String]) throws(CordonError) {
        guard command.count == 2,
            let orders = try? FileJSON.decoder.decode([String: Arguments].self, from: Data(command[1].utf8)),
            let (name, arguments) = orders.first, orders.count == 1
        else { throw Self.unknown }
        let path = try FilePath(arguments.path)
        switch name {
        case "ReadFile": self = .read(path)
        case "WriteFile": self = .write(path)
        case "ListFiles": self = .list(path)
        case "Stat": self = .stat(path)
        case "MakeDirectory": self = .makeDirectory(path, parents: arguments.parents ?? false)
        case "Remove": self = .remove(path, recursive: arguments.recursive ?? false)
        case "Watch":
            self = .watch(
                path, recursive: arguments.recursive ?? false, filter: arguments.filter.map { Set($0) },
                timeout: arguments.timeoutSecs.map { .seconds(max(0, min($0, 86_400))) })
        default: throw Self.unknown
        }
    }

    private static let unknown = CordonError(
        .invalidArgument,
        "the file program knows ReadFile, WriteFile, ListFiles, Stat, MakeDirectory, Remove and Watch",
        field: "command_args")
}

/// What the file program says when it fails.
struct FileFailure: Encodable {
    var errorKind: String
    var message: String
    var detail: String

    /// - Parameter isMaking: whether a directory was to be made, for which what is in the way has a kind of its own.
    init(_ error: CordonError, isMaking: Bool = false, isListing: Bool = false) {
        errorKind =
            switch error.detail["reason"].flatMap({ FileFault(rawValue: $0) }) {
            case .notFound: "NotFound"
            case .notADirectory: isListing ? "IsFile" : "NotDirectory"
            case .isADirectory: "IsDirectory"
            case .exists: isMaking ? "PathAlreadyExists" : "AlreadyExists"
            case .notEmpty: "DirectoryNotEmpty"
            case .permissionDenied, .readOnly: "PermissionDenied"
            case .tooLarge: "FileTooLarge"
            case .otherFileSystem, .busy, .invalid: "NotSupported"
            default: "Other"
            }
        message = error.message
        detail = error.detail["reason"] ?? error.code.rawValue
    }

    var bytes: Data { (try? FileJSON.encoder.encode(self)) ?? Data() }
}

/// The file program's JSON, whose keys are in snake_case.
enum FileJSON {
    static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return encoder
    }

    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }
}
