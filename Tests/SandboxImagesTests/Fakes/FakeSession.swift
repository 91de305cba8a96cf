import Foundation
import ProgramSupport
import SandboxModel
import Synchronization

/// Files below a directory, which stands for a sandbox's `/`.
final class FakeSession: FileSession {
    private let machine: FakeMachine
    private let root: String
    private let reading = Mutex<(file: FileHandle, left: UInt64)?>(nil)

    init(machine: FakeMachine, root: String) { (self.machine, self.root) = (machine, root) }

    private func local(_ path: FilePath) -> String { root + path.text }

    private func shell(_ script: String, _ arguments: [String], about path: FilePath) async throws {
        let result = try await HostProgram.result(of: "/bin/sh", ["-c", script, "sh"] + arguments)
        guard result.status == 0 else {
            throw CordonError(.failedPrecondition, "\(path): \(result.output)", field: "path")
        }
    }

    func unpack(_ unpacking: Unpacking, next: () async throws -> [UInt8]?) async throws -> UnpackingSummary {
        machine.with { $0.unpackings += 1 }
        let archive = "\(machine.directory)/archive-\(UUID().uuidString)"
        try Data().write(to: URL(fileURLWithPath: archive))
        defer { try? FileManager.default.removeItem(atPath: archive) }
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: archive))
        while let bytes = try await next() { try file.write(contentsOf: bytes) }
        try file.close()
        let target = local(unpacking.path)
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
        try await shell("tar -xf \"$1\" --no-same-owner -C \"$2\"", [archive, target], about: unpacking.path)
        if let mode = unpacking.mode {
            try await shell("chmod -R \(String(mode, radix: 8)) \"$1\"", [target], about: unpacking.path)
        }
        let hashed = try await HostProgram.result(
            of: "/bin/sh", ["-c", "zcat -f \"$0\" | sha256sum | cut -d ' ' -f 1", archive])
        guard let digest = ContentDigest("sha256:\(hashed.output.prefix(64))") else {
            throw CordonError(.invalidArgument, "no archive: \(hashed.output)")
        }
        let hex = Array(digest.hex)
        let bytes = stride(from: 0, to: 64, by: 2).map { UInt8(String(hex[$0...$0 + 1]), radix: 16) ?? 0 }
        return UnpackingSummary(entries: 1, bytes: 1, digest: bytes, leftOut: [], leftOutCount: 0)
    }

    func pack(_ path: FilePath, compression: ArchiveCompression, omittingTimes: Bool) async throws {
        let archive = "\(machine.directory)/packed-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: archive) }
        try await shell(
            "tar -C \"$1\" --sort=name \(omittingTimes ? "--mtime=@0" : "") -cf \"$2\" .", [local(path), archive],
            about: path)
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: archive))
        reading.withLock { $0 = (file, .max) }
    }

    func read(_ path: FilePath, from offset: UInt64, upTo length: UInt64) async throws -> FileAttributes {
        guard let file = FileHandle(forReadingAtPath: local(path)) else { throw FileFault.notFound.error(path) }
        try file.seek(toOffset: offset)
        reading.withLock { $0 = (file, length) }
        return FileAttributes(kind: .file, size: 0, mode: 0o644, user: 0, group: 0, modifiedAt: .now())
    }

    func digest(of path: FilePath) async throws -> [UInt8] {
        guard let content = FileManager.default.contents(atPath: local(path)) else {
            throw FileFault.notFound.error(path)
        }
        return [UInt8](content)
    }

    func nextPiece() async throws -> [UInt8]? {
        try reading.withLock { reading in
            guard let (file, left) = reading else { return nil }
            let bytes = [UInt8](try file.read(upToCount: min(65_536, Int(clamping: left))) ?? Data())
            reading = bytes.isEmpty ? nil : (file, left - UInt64(bytes.count))
            return bytes.isEmpty ? nil : bytes
        }
    }

    func write(_ write: FileWrite, next: () async throws -> [UInt8]?) async throws -> FileAttributes {
        let path = local(write.path)
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        var bytes: [UInt8] = []
        while let piece = try await next() { bytes += piece }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return try await attributes(of: write.path, followingLinks: true)
    }

    func attributes(of path: FilePath, followingLinks: Bool) async throws -> FileAttributes {
        try Self.attributes(local(path), followingLinks, path)
    }

    private static func attributes(
        _ local: String, _ followingLinks: Bool, _ path: FilePath
    ) throws(CordonError) -> FileAttributes {
        var status = stat()
        guard (followingLinks ? stat(local, &status) : lstat(local, &status)) == 0 else {
            throw FileFault.notFound.error(path)
        }
        let kind: FileKind =
            switch status.st_mode & S_IFMT {
            case S_IFDIR: .directory
            case S_IFLNK: .link
            default: .file
            }
        return FileAttributes(
            kind: kind, size: UInt64(status.st_size), mode: UInt32(status.st_mode) & 0o7777, user: 0, group: 0,
            modifiedAt: .now())
    }

    func list(_ path: FilePath, after: [UInt8], limit: Int) async throws -> DirectoryPage {
        let names = try FileManager.default.contentsOfDirectory(atPath: local(path)).sorted()
        let rest = names.filter { Array($0.utf8).lexicographicallyPrecedes(after) == false && Array($0.utf8) != after }
        let entries = try rest.prefix(2).map { name in
            DirectoryEntry(
                name: Array(name.utf8), attributes: try Self.attributes(local(path) + "/" + name, false, path))
        }
        return DirectoryPage(entries: entries, hasMore: rest.count > 2)
    }

    func makeDirectory(_ path: FilePath, parents: Bool, mode: UInt32?) async throws {
        try FileManager.default.createDirectory(atPath: local(path), withIntermediateDirectories: true)
    }

    func remove(_ path: FilePath, recursive: Bool) async throws {
        try FileManager.default.removeItem(atPath: local(path))
    }

    func rename(_ path: FilePath, to other: FilePath, replacing: Bool) async throws {
        guard Foundation.rename(local(path), local(other)) == 0 else { throw FileFault.failed.error(path) }
    }

    func changeMode(of path: FilePath, to mode: UInt32) async throws {}
    func watch(_ path: FilePath, recursive: Bool) async throws {}
    func nextChanges() async throws -> [FileChange]? { nil }
    func close() {}
}
