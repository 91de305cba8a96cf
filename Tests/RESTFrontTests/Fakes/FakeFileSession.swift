import SandboxModel
import Synchronization

/// Files of memory alone, for one session.
final class FakeFileSession: FileSession {
    private let service: FakeService
    private let reading = Mutex<[[UInt8]]>([])
    private let watched = Mutex<[[FileChange]]>([])

    init(service: FakeService) { self.service = service }

    private func attributes(of count: Int) -> FileAttributes {
        FileAttributes(
            kind: .file, size: UInt64(count), mode: 0o640, user: 1, group: 2,
            modifiedAt: Timestamp(microseconds: 1_700_000_000_000_000))
    }

    func write(_ write: FileWrite, next: () async throws -> [UInt8]?) async throws -> FileAttributes {
        var bytes: [UInt8] = []
        while let piece = try await next() { bytes += piece }
        let content = bytes
        service.update { $0.files[write.path.text] = content }
        return attributes(of: content.count)
    }

    func read(_ path: FilePath, from offset: UInt64, upTo length: UInt64) async throws -> FileAttributes {
        guard let bytes = service.update({ $0.files[path.text] }) else { throw FileFault.notFound.error(path) }
        var rest = bytes.dropFirst(Int(offset)).prefix(Int(clamping: length))
        // Says that it is longer than what comes: it has shrunk since.
        let size = path.text == "/shrinks" ? bytes.count + 1 : bytes.count
        reading.withLock { pieces in
            pieces = []
            while !rest.isEmpty {
                pieces.append(Array(rest.prefix(3)))
                rest = rest.dropFirst(3)
            }
        }
        return attributes(of: size)
    }

    func nextPiece() async throws -> [UInt8]? {
        reading.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    }

    func digest(of path: FilePath) async throws -> [UInt8] {
        service.update { $0.files[path.text] } ?? []
    }

    func attributes(of path: FilePath, followingLinks: Bool) async throws -> FileAttributes {
        guard let bytes = service.update({ $0.files[path.text] }) else { throw FileFault.notFound.error(path) }
        return attributes(of: bytes.count)
    }

    func list(_ path: FilePath, after: [UInt8], limit: Int) async throws -> DirectoryPage {
        let names = [Array("a".utf8), Array("b".utf8), [0xff]].filter { after.lexicographicallyPrecedes($0) }
        return DirectoryPage(
            entries: names.prefix(limit).map { DirectoryEntry(name: $0, attributes: attributes(of: 1)) },
            hasMore: names.count > limit)
    }

    func makeDirectory(_ path: FilePath, parents: Bool, mode: UInt32?) async throws {}
    func remove(_ path: FilePath, recursive: Bool) async throws {
        guard service.update({ $0.files.removeValue(forKey: path.text) }) != nil else {
            throw FileFault.notFound.error(path)
        }
    }
    func rename(_ path: FilePath, to other: FilePath, replacing: Bool) async throws {}
    func changeMode(of path: FilePath, to mode: UInt32) async throws {}
    /// Keeps the archive as it came.
    func unpack(_ unpacking: Unpacking, next: () async throws -> [UInt8]?) async throws -> UnpackingSummary {
        var bytes: [UInt8] = []
        while let piece = try await next() { bytes += piece }
        guard !bytes.isEmpty else { throw FileFault.archiveInvalid.error(unpacking.path, note: "it is empty\u{1b}") }
        let content = bytes
        service.update { $0.files[unpacking.path.text] = content }
        return UnpackingSummary(
            entries: 3, bytes: UInt64(content.count), digest: [UInt8](repeating: 10, count: 32), leftOut: ["dev/null"],
            leftOutCount: 1)
    }

    func pack(_ path: FilePath, compression: ArchiveCompression, omittingTimes: Bool) async throws {
        _ = try await read(path, from: 0, upTo: .max)
    }

    func watch(_ path: FilePath, recursive: Bool) async throws {
        _ = try await attributes(of: path, followingLinks: true)
        watched.withLock {
            $0 = [
                [FileChange(.created, path: Array("a".utf8), isDirectory: true)], [],
                [FileChange(.renamed, path: Array("a".utf8), newPath: [0xff]), FileChange(.overflow)],
            ]
        }
    }

    func nextChanges() async throws -> [FileChange]? { watched.withLock { $0.isEmpty ? nil : $0.removeFirst() } }

    func close() { service.update { $0.closedSessions += 1 } }
}
