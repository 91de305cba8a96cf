import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// The files of a sandbox, or of a volume.
enum FileRoutes {
    /// The largest file that goes in or out in one request.
    static let maximumBytes: UInt64 = 5 << 30

    /// Opens the files of the path's sandbox, or of its volume for reading, for the length of the request.
    static func open(_ exchange: Exchange, _ query: Query) async throws -> any FileSession {
        let user = try query.text("user").map { text throws(CordonError) in try UserRule.checked(text) }
        let session: any FileSession
        if isOfVolume(exchange) {
            try refuse(user)
            session = try await exchange.front.volumes.readVolume(exchange.volumeReference())
        } else {
            session = try await exchange.service.openFiles(in: exchange.sandboxID(), as: user)
        }
        exchange.scope.atEnd { session.close() }
        return session
    }

    /// Changes files of the path's sandbox, or of its volume, of which all is published when `work` returns.
    static func change<Value: Sendable>(
        _ exchange: Exchange, _ query: Query, _ work: (any FileSession) async throws -> Value
    ) async throws -> Value {
        guard isOfVolume(exchange) else { return try await work(try await open(exchange, query)) }
        try refuse(query.text("user"))
        return try await exchange.front.volumes.changeVolume(exchange.volumeReference()) { change in
            let session = try await change.openFiles()
            defer { session.close() }
            return try await work(session)
        }
    }

    private static func isOfVolume(_ exchange: Exchange) -> Bool { exchange.parameters["volume"] != nil }

    private static func refuse(_ user: String?) throws(CordonError) {
        guard user == nil else { throw .invalid(field: "user", value: user, rule: "only of a sandbox's files") }
    }

    static func path(_ query: Query, _ name: String = "path") throws(CordonError) -> FilePath {
        guard let text = query.text(name) else { throw .invalid(field: name, value: nil, rule: "a path is needed") }
        return try FilePath(text, field: name)
    }

    static func stat(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["path", "follow", "user"])
        let (path, follows) = (try path(query), try query.flag("follow"))
        let session = try await open(exchange, query)
        let attributes = try await exchange.connection.whilePresent {
            try await session.attributes(of: path, followingLinks: follows)
        }
        return try .json(FileInfo(attributes, path: path))
    }

    static func list(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["path", "limit", "cursor", "user"])
        let path = try path(query)
        let limit = try query.whole("limit", in: 1...10_000) ?? 1000
        let after = try cursor(query.text("cursor"))
        let session = try await open(exchange, query)
        let page = try await exchange.connection.whilePresent {
            try await session.list(path, after: after, limit: limit)
        }
        let next =
            page.hasMore ? page.entries.last.map { String(decoding: Base64.encode($0.name), as: UTF8.self) } : nil
        return try .json(FileList(entries: page.entries.map { FileInfo($0) }, nextCursor: next))
    }

    /// The name that a page goes on behind.
    private static func cursor(_ text: String?) throws(CordonError) -> [UInt8] {
        guard let text else { return [] }
        guard let name = Base64.decode(text), name.count <= 255 else {
            throw .invalid(field: "cursor", value: text, rule: "the next_cursor of the page before")
        }
        return name
    }

    static func remove(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["path", "recursive", "user"])
        let (path, recursive) = (try path(query), try query.flag("recursive"))
        try await change(exchange, query) { session in
            try await exchange.connection.whilePresent { try await session.remove(path, recursive: recursive) }
        }
        return Response(status: .noContent)
    }

    static func makeDirectory(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["user"])
        let (json, bytes) = try await exchange.jsonBody()
        _ = try exchange.idempotencyKey(body: bytes)
        let fields = try FieldReader<MakeDirectoryRequest.CodingKeys>(json)
        let path = try FilePath(try fields.string(.path) ?? "")
        let (parents, mode) = (
            try fields.bool(.parents) ?? false, try FileModeText.mode(try fields.string(.mode), field: "mode")
        )
        try await change(exchange, query) { try await $0.makeDirectory(path, parents: parents, mode: mode) }
        return Response(status: .noContent)
    }

    static func rename(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["user"])
        let (json, bytes) = try await exchange.jsonBody()
        _ = try exchange.idempotencyKey(body: bytes)
        let fields = try FieldReader<RenameFileRequest.CodingKeys>(json)
        let path = try FilePath(try fields.string(.path) ?? "")
        let other = try FilePath(try fields.string(.to) ?? "", field: "to")
        let replacing = try fields.bool(.replace) ?? false
        try await change(exchange, query) { try await $0.rename(path, to: other, replacing: replacing) }
        return Response(status: .noContent)
    }

    static func changeMode(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["user"])
        let (json, bytes) = try await exchange.jsonBody()
        _ = try exchange.idempotencyKey(body: bytes)
        let fields = try FieldReader<ChangeModeRequest.CodingKeys>(json)
        let path = try FilePath(try fields.string(.path) ?? "")
        guard let mode = try FileModeText.mode(try fields.string(.mode), field: "mode") else {
            throw CordonError.invalid(field: "mode", value: nil, rule: "permissions in octal, such as \"0644\"")
        }
        try await change(exchange, query) { try await $0.changeMode(of: path, to: mode) }
        return Response(status: .noContent)
    }

    static func copy(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let (json, bytes) = try await exchange.jsonBody()
        _ = try exchange.idempotencyKey(body: bytes)
        let fields = try FieldReader<CopyFileRequest.CodingKeys>(json)
        let path = try FilePath(try fields.string(.path) ?? "")
        let other = try FilePath(try fields.string(.to) ?? "", field: "to")
        try await exchange.front.volumes.copyFile(path, to: other, in: exchange.volumeReference())
        return Response(status: .noContent)
    }
}

extension FileInfo {
    init(_ attributes: FileAttributes) {
        self.init(
            kind: attributes.kind.rawValue, sizeBytes: attributes.size, mode: FileModeText.text(attributes.mode),
            uid: attributes.user, gid: attributes.group, modifiedAt: APITime(attributes.modifiedAt))
    }

    init(_ attributes: FileAttributes, path: FilePath) {
        self.init(attributes)
        self.path = path.text
    }

    init(_ entry: DirectoryEntry) {
        self.init(entry.attributes)
        if let text = String(validating: entry.name, as: UTF8.self) {
            name = text
        } else {
            nameBase64 = String(decoding: Base64.encode(entry.name), as: UTF8.self)
        }
    }
}
