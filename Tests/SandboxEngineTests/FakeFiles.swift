import SandboxModel
import Synchronization

/// The files of a sandbox that is a dictionary.
final class FakeFiles: FileSession {
    private let host: FakeHost
    private let id: SandboxID
    private let reading = Mutex<[UInt8]?>(nil)

    init(host: FakeHost, id: SandboxID) {
        self.host = host
        self.id = id
    }

    private func describe(_ count: Int) -> FileAttributes {
        FileAttributes(kind: .file, size: UInt64(count), mode: 0o644, user: 0, group: 0, modifiedAt: .now())
    }

    func write(_ write: FileWrite, next: () async throws -> [UInt8]?) async throws -> FileAttributes {
        if write.path.text.hasPrefix("/proc/") { throw FileFault.permissionDenied.error(write.path) }
        var bytes: [UInt8] = []
        while let piece = try await next() { bytes += piece }
        let content = bytes
        host.with {
            $0.files[id, default: [:]][write.path.text] = content
            $0.filesWritten += 1
        }
        return describe(content.count)
    }

    func read(_ path: FilePath, from offset: UInt64, upTo length: UInt64) async throws -> FileAttributes {
        let found = try await attributes(of: path, followingLinks: true)
        let bytes = host.with { $0.files[id]?[path.text] } ?? []
        reading.withLock { $0 = Array(bytes.dropFirst(Int(offset)).prefix(Int(clamping: length))) }
        return found
    }

    func nextPiece() async throws -> [UInt8]? {
        reading.withLock { bytes in
            defer { bytes = nil }
            return bytes?.isEmpty == true ? nil : bytes
        }
    }

    func digest(of path: FilePath) async throws -> [UInt8] { host.with { $0.files[id]?[path.text] } ?? [] }

    func attributes(of path: FilePath, followingLinks: Bool) async throws -> FileAttributes {
        guard let bytes = host.with({ $0.files[id]?[path.text] }) else { throw FileFault.notFound.error(path) }
        return describe(bytes.count)
    }

    func list(_ path: FilePath, after: [UInt8], limit: Int) async throws -> DirectoryPage {
        DirectoryPage(entries: [], hasMore: false)
    }
    func makeDirectory(_ path: FilePath, parents: Bool, mode: UInt32?) async throws {}
    func remove(_ path: FilePath, recursive: Bool) async throws {}
    func rename(_ path: FilePath, to other: FilePath, replacing: Bool) async throws {}
    func changeMode(of path: FilePath, to mode: UInt32) async throws {}
    func watch(_ path: FilePath, recursive: Bool) async throws {}
    func nextChanges() async throws -> [FileChange]? { nil }
    func unpack(_ unpacking: Unpacking, next: () async throws -> [UInt8]?) async throws -> UnpackingSummary {
        throw CordonError(.unimplemented, "archives can't be unpacked yet")
    }

    func pack(_ path: FilePath, compression: ArchiveCompression, omittingTimes: Bool) async throws {
        throw CordonError(.unimplemented, "archives can't be made yet")
    }

    func close() {}
}
