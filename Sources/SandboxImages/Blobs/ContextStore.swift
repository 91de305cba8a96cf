import Foundation
import NIOCore
import SandboxModel
import StoredFiles

/// Build contexts that clients have sent, as they came: archives that nobody opens but a sandbox.
struct ContextStore: Sendable {
    /// How long one is kept after its last use.
    private static let lifetime = Duration.seconds(3600)
    private static let partial = ".part"

    private let directory: String
    private let limits: ImageLimits

    init(directory: String, limits: ImageLimits) throws {
        self.directory = directory
        self.limits = limits
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    private func path(_ id: BuildContextID) -> String { "\(directory)/\(id)" }

    /// Takes an archive from pieces until `next` returns nil.
    func add(next: () async throws -> [UInt8]?) async throws -> BuildContextID {
        let id = BuildContextID.mint()
        let partial = path(id) + Self.partial
        do {
            let file = try StoredFile(partial, O_RDWR | O_CREAT | O_EXCL)
            var count: UInt64 = 0
            while let bytes = try await next() {
                count += UInt64(bytes.count)
                guard count <= limits.bytes else {
                    throw CordonError(
                        .resourceExhausted, "the context has more than \(limits.bytes) bytes",
                        rule: "the option image_max_mib")
                }
                try requireRoom()
                try await file.append(ByteBuffer(bytes: bytes))
            }
            guard count > 0 else {
                throw CordonError.invalid(field: "body", value: nil, rule: "a tar archive; an empty body is none")
            }
            try await file.sync()
            guard rename(partial, path(id)) == 0 else { throw StorageFault("rename") }
        } catch {
            unlink(partial)
            throw error
        }
        return id
    }

    /// A context's archive; its time begins anew.
    func open(_ id: BuildContextID) throws -> StoredFile {
        guard let file = try? StoredFile(path(id), O_RDONLY) else {
            throw CordonError(
                .notFound, "there is no build context \(id), or not any more", field: "context", value: id.text)
        }
        utimes(path(id), nil)
        return file
    }

    /// Removes those that were not used for long, and what was left of broken uploads; how many.
    func collect(at now: Timestamp) throws -> Int {
        var count = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
            var status = stat()
            guard stat("\(directory)/\(name)", &status) == 0 else { continue }
            let age = now.microseconds / 1_000_000 - Int64(status.st_mtim.tv_sec)
            if age > Self.lifetime.components.seconds, unlink("\(directory)/\(name)") == 0 { count += 1 }
        }
        return count
    }

    private func requireRoom() throws {
        guard try FreeSpace.bytes(at: directory) > limits.reserveBytes else {
            throw CordonError(
                .resourceExhausted, "there is no disk space for the context", rule: "the option disk_reserve_mib")
        }
    }
}
