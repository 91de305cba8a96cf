public import CordonAPI
public import NIOCore
import NIOHTTP1

/// A sandbox's files as one of its users sees them, or a volume's. What goes in or out in pieces isn't tried again.
public struct RemoteFiles: Sendable {
    let client: CordonClient
    /// The path of the sandbox, or of the volume.
    let owner: String
    /// Root without.
    let user: String?

    private func path(_ what: String, _ path: String, _ more: [(String, String)] = []) -> String {
        let query = [("path", path)] + more + (user.map { [("user", $0)] } ?? [])
        return owner + "/files\(what)?"
            + query.map { "\($0)=\(CordonClient.escape($1))" }.joined(separator: "&")
    }

    /// What a path names, or what a link there leads to.
    public func describe(_ path: String) async throws -> FileInfo {
        try await client.ask(.GET, self.path("/stat", path, [("follow", "true")]))
    }

    /// The same, and nil when there is nothing.
    public func find(_ path: String) async throws -> FileInfo? {
        do { return try await describe(path) } catch ClientError.refused(let problem)
            where problem.code == "not_found" && problem.field == "path"
        { return nil }
    }

    /// One page of a directory's entries.
    public func list(_ path: String, cursor: String? = nil) async throws -> FileList {
        try await client.ask(.GET, self.path("/list", path, cursor.map { [("cursor", $0)] } ?? []))
    }

    public func remove(_ path: String, recursive: Bool) async throws {
        try await client.bytes(.DELETE, self.path("", path, [("recursive", recursive ? "true" : "false")]), [])
    }

    /// Gives a file's content, piece by piece.
    public func read(_ path: String, _ give: (ByteBuffer) async throws -> Void) async throws {
        try await download(self.path("", path), give)
    }

    /// Gives a directory as a tar archive, piece by piece.
    public func pack(_ path: String, _ give: (ByteBuffer) async throws -> Void) async throws {
        try await download(self.path("/archive", path), give)
    }

    /// Writes a file at once when all of it has come. A file that is there keeps its mode without one.
    public func write(
        _ path: String, mode: String?, length: UInt64?, _ body: some AsyncSequence<[UInt8], any Error> & Sendable
    ) async throws -> FileInfo {
        let options = [("atomic", "true"), ("parents", "true")] + (mode.map { [("mode", $0)] } ?? [])
        return try await upload(self.path("", path, options), "application/octet-stream", length, body)
    }

    /// Unpacks a tar archive in a directory, which is made when it isn't there.
    public func unpack(
        _ path: String, _ body: some AsyncSequence<[UInt8], any Error> & Sendable
    ) async throws -> UnpackedArchive {
        try await upload(self.path("/archive", path), "application/x-tar", nil, body)
    }

    private func download(_ path: String, _ give: (ByteBuffer) async throws -> Void) async throws {
        var (status, problem): (Int, [UInt8]) = (0, [])
        do {
            _ = try await client.transport.send(client.call(.GET, path)) {
                status = $0.status
            } onBody: { bytes in
                if (200..<300).contains(status) {
                    try await give(bytes)
                } else {
                    problem.append(contentsOf: bytes.readableBytesView)
                }
            }
        } catch let lost as ConnectionLost { throw ClientError.unreachable(lost.reason) }
        guard (200..<300).contains(status) else { throw ClientError(status: status, body: problem) }
    }

    private func upload<Answer: Decodable>(
        _ path: String, _ type: String, _ length: UInt64?, _ body: some AsyncSequence<[UInt8], any Error> & Sendable
    ) async throws -> Answer {
        var call = client.call(.PUT, path)
        call.headers.append(("Content-Type", type))
        do {
            let (status, bytes) = try await client.transport.upload(call, length: length, body: body)
            guard (200..<300).contains(status) else { throw ClientError(status: status, body: bytes) }
            return try JSONText.decode(Answer.self, from: bytes)
        } catch let lost as ConnectionLost { throw ClientError.unreachable(lost.reason) }
    }
}

extension CordonClient {
    /// The files of a sandbox as `user` sees them, root without one.
    public func files(of id: String, as user: String? = nil) -> RemoteFiles {
        RemoteFiles(client: self, owner: Self.path(id), user: user)
    }

    /// The files of a volume, by its name or id. Each change is published when it is answered.
    public func files(ofVolume name: String) -> RemoteFiles {
        RemoteFiles(client: self, owner: Self.path(ofVolume: name), user: nil)
    }
}
