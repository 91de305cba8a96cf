import CordonAPI
import HTTPTypes
import HummingbirdCore
import SandboxModel

/// Volumes, and what sandboxes do with theirs. Their files are in `FileRoutes`.
enum VolumeRoutes {
    static func create(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let (json, bytes) = try await exchange.jsonBody()
        let wanted = try VolumeCreation(json: json)
        let volume = try await exchange.front.volumes.createVolume(
            wanted.name, ifExists: wanted.ifExists, by: exchange.caller(), key: exchange.idempotencyKey(body: bytes))
        var response = try Response.json(Volume(volume), status: .created)
        response.headers[.location] = "/v1/volumes/\(volume.id)"
        return response
    }

    static func list(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["limit", "cursor"])
        let before = try query.whole("cursor", in: 0...Int64.max).map { Timestamp(microseconds: $0) }
        let page = try await exchange.front.volumes.volumes(
            before: before, limit: try query.whole("limit", in: 1...1000) ?? 100)
        return try .json(
            VolumeList(
                volumes: page.volumes.map { Volume($0) }, nextCursor: page.next.map { String($0.microseconds) }))
    }

    static func show(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        return try .json(Volume(try await exchange.front.volumes.volume(exchange.volumeReference())))
    }

    static func rename(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let reference = try exchange.volumeReference()
        let fields = try FieldReader<RenameVolumeRequest.CodingKeys>(try await exchange.jsonBody().value)
        let name = try VolumeName(try fields.string(.name) ?? "", field: fields.field(.name))
        return try .json(Volume(try await exchange.front.volumes.renameVolume(reference, to: name)))
    }

    static func delete(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        try await exchange.front.volumes.deleteVolume(exchange.volumeReference())
        return Response(status: .noContent)
    }

    // MARK: A sandbox's

    static func commit(_ exchange: Exchange) async throws -> Response {
        let id = try await sandbox(exchange)
        let commits = try await exchange.front.volumes.commitVolumes(of: id)
        return try .json(VolumeCommits(commits: commits.map { VolumeCommitResult($0) }))
    }

    static func reload(_ exchange: Exchange) async throws -> Response {
        try await exchange.front.volumes.reloadVolumes(of: try await sandbox(exchange))
        return Response(status: .noContent)
    }

    /// The path's sandbox, which must run.
    private static func sandbox(_ exchange: Exchange) async throws -> SandboxID {
        _ = try exchange.query([])
        let id = try exchange.sandboxID()
        let snapshot = try await exchange.service.sandbox(id)
        guard case .running = snapshot.status else {
            throw CordonError(
                .failedPrecondition, "sandbox \(id) doesn't run", field: "id", value: id.text,
                rule: "what an ended sandbox wrote is published already")
        }
        return id
    }
}

extension Exchange {
    /// The path's volume. Text that can be neither id nor name names none.
    func volumeReference() throws(CordonError) -> VolumeReference {
        let text = parameters["volume"] ?? ""
        guard let reference = try? VolumeReference(text, field: "volume") else {
            throw CordonError(.notFound, "there is no volume \(text.prefix(64))", field: "volume", value: text)
        }
        return reference
    }
}

extension Volume {
    fileprivate init(_ snapshot: VolumeSnapshot) {
        self.init(
            id: snapshot.id.text, name: snapshot.name.text, version: snapshot.version,
            createdAt: APITime(snapshot.createdAt), changedAt: APITime(snapshot.changedAt))
    }
}

extension VolumeCommitResult {
    fileprivate init(_ commit: VolumeCommit) {
        self.init(
            volume: commit.volume.text, path: commit.path.text, version: commit.version, changed: commit.isChanged)
    }
}
