import Crypto
import GRPCCore
import ModalProtocol
import SandboxModel
import SwiftProtobuf

extension VolumeCalls {
    /// Of the protocol: files go in blocks of this size, and are read in them.
    static let blockBytes: UInt64 = 8 << 20
    /// The most that one call reads: each block that it has is looked up or kept.
    private static let mostBytes: UInt64 = 1 << 40
    private static let mostFiles = 100_000
    private static let mostEntries = 1_000_000
    private static let pageEntries = 1000
    /// Of the names of directories that are still to be listed.
    private static let mostPendingBytes = 32 << 20

    static func addFiles(to table: inout CallTable) {
        table.stream("VolumeListFiles") {
            (request: ModalVolumeListFilesRequest, call, writer: RPCWriter<ModalVolumeListFilesResponse>) in
            try await call.front.content.volumes.list(
                request.volumeID, request.path, request.recursive,
                most: request.hasMaxEntries ? request.maxEntries : nil
            ) { entries in try await writer.write(.with { $0.entries = entries }) }
        }
        table.stream("VolumeListFiles2") {
            (request: ModalVolumeListFiles2Request, call, writer: RPCWriter<ModalVolumeListFiles2Response>) in
            try await call.front.content.volumes.list(
                request.volumeID, request.path, request.recursive,
                most: request.hasMaxEntries ? request.maxEntries : nil
            ) { entries in try await writer.write(.with { $0.entries = entries }) }
        }
        table.unary("VolumeGetFile2") { try await $1.front.content.volumes.read($0) }
        table.unary("VolumePutFiles") { try await $1.front.content.volumes.put($0) }
        table.unary("VolumePutFiles2") { try await $1.front.content.volumes.putBlocks($0) }
        table.unary("VolumeRemoveFile") { (request: ModalVolumeRemoveFileRequest, call) in
            try await call.front.content.volumes.remove(request.volumeID, request.path, request.recursive)
            return Google_Protobuf_Empty()
        }
        table.unary("VolumeRemoveFile2") { (request: ModalVolumeRemoveFile2Request, call) in
            try await call.front.content.volumes.remove(request.volumeID, request.path, request.recursive)
            return Google_Protobuf_Empty()
        }
        table.unary("VolumeCopyFiles") { (request: ModalVolumeCopyFilesRequest, call) in
            try await call.front.content.volumes.copy(
                request.volumeID, request.srcPaths, request.dstPath, request.recursive)
            return Google_Protobuf_Empty()
        }
        table.unary("VolumeCopyFiles2") { (request: ModalVolumeCopyFiles2Request, call) in
            try await call.front.content.volumes.copy(
                request.volumeID, request.srcPaths, request.dstPath, request.recursive)
            return Google_Protobuf_Empty()
        }
    }

    /// A path as clients say it, with or without a slash in front, from the volume's root.
    static func path(_ text: String) throws(CordonError) -> FilePath {
        let parts = text.pathNames.filter { $0 != "." }
        guard !parts.contains("..") else {
            throw .invalid(field: "path", value: text, rule: "a path within the volume, without \"..\"")
        }
        return try FilePath("/" + parts.joined(separator: "/"))
    }

    private func reading<Value: Sendable>(_ id: String, _ work: (any FileSession) async throws -> Value) async throws
        -> Value
    {
        let session = try await volumes.readVolume(try Self.reference(id))
        defer { session.close() }
        return try await work(session)
    }

    private func changing<Value: Sendable>(_ id: String, _ work: (any FileSession) async throws -> Value) async throws
        -> Value
    {
        try await volumes.changeVolume(try Self.reference(id)) { change in
            let session = try await change.openFiles()
            defer { session.close() }
            return try await work(session)
        }
    }

    // MARK: Lists

    private func list(
        _ id: String, _ text: String, _ isRecursive: Bool, most: UInt32?,
        _ take: ([ModalFileEntry]) async throws -> Void
    ) async throws {
        let top = try Self.path(text)
        var left = most.map { Int($0) } ?? Self.mostEntries
        try await reading(id) { session in
            let attributes = try await session.attributes(of: top, followingLinks: false)
            guard attributes.kind == .directory else { return try await take([Self.entry(top, attributes)]) }
            var (pending, pendingBytes) = ([top], top.text.utf8.count)
            while let directory = pending.popLast() {
                pendingBytes -= directory.text.utf8.count
                var last: [UInt8] = []
                while left > 0 {
                    let page = try await session.list(directory, after: last, limit: min(left, Self.pageEntries))
                    var entries: [ModalFileEntry] = []
                    for found in page.entries {
                        // What isn't UTF-8 can't be named in the protocol.
                        guard let name = String(validating: found.name, as: UTF8.self),
                            let path = try? FilePath(directory == .root ? "/\(name)" : "\(directory)/\(name)")
                        else { continue }
                        entries.append(Self.entry(path, found.attributes))
                        guard isRecursive, found.attributes.kind == .directory else { continue }
                        pending.append(path)
                        pendingBytes += path.text.utf8.count
                    }
                    guard pendingBytes <= Self.mostPendingBytes else {
                        throw CordonError(.resourceExhausted, "\(top) has too many directories to list at once")
                    }
                    left -= entries.count
                    if !entries.isEmpty { try await take(entries) }
                    guard page.hasMore, let end = page.entries.last?.name else { break }
                    last = end
                }
            }
        }
    }

    private static func entry(_ path: FilePath, _ attributes: FileAttributes) -> ModalFileEntry {
        .with {
            $0.path = String(path.text.drop { $0 == "/" })
            $0.mtime = UInt64(max(0, attributes.modifiedAt.microseconds / 1_000_000))
            $0.size = attributes.size
            $0.type =
                switch attributes.kind {
                case .file: .file
                case .directory: .directory
                case .link: .symlink
                case .fifo: .fifo
                case .socket: .socket
                case .characterDevice, .blockDevice, .unknown: .unspecified
                }
        }
    }

    // MARK: Reading

    /// A file's blocks are kept as they are now, each under its digest, and fetched from there: what a client reads is one
    /// version of the file.
    private func read(_ request: ModalVolumeGetFile2Request) async throws -> ModalVolumeGetFile2Response {
        let path = try Self.path(request.path)
        return try await reading(request.volumeID) { session in
            let attributes = try await session.attributes(of: path, followingLinks: true)
            guard attributes.kind == .file else {
                throw CordonError(
                    .failedPrecondition, "\(path) is no regular file", field: "path", value: path.text)
            }
            let start = min(request.start, attributes.size)
            let wanted = request.len == 0 ? attributes.size - start : min(request.len, attributes.size - start)
            guard wanted <= Self.mostBytes else { throw FileFault.tooLarge.error(path) }
            var answer = ModalVolumeGetFile2Response()
            (answer.size, answer.start, answer.len) = (attributes.size, start, wanted)
            _ = try await session.read(path, from: start, upTo: wanted)
            var (rest, offset): ([UInt8], UInt64) = ([], start)
            while offset < start + wanted {
                let end = min(start + wanted, (offset / Self.blockBytes + 1) * Self.blockBytes)
                while UInt64(rest.count) < end - offset, let piece = try await session.nextPiece() { rest += piece }
                guard UInt64(rest.count) >= end - offset else {
                    throw CordonError(.aborted, "the file \(path) became shorter while it was read")
                }
                let block = Array(rest.prefix(Int(end - offset)))
                rest.removeFirst(block.count)
                let digest = ContentDigest(bytes: SHA256.hash(data: block))
                if try await !uploads.missing([digest]).isEmpty {
                    var bytes: [UInt8]? = block
                    try await uploads.take(digest) {
                        defer { bytes = nil }
                        return bytes
                    }
                }
                answer.getUrls.append(try address() + uploads.address(of: .fileContent(digest)))
                offset = end
            }
            return answer
        }
    }

    // MARK: Writing

    private func put(_ request: ModalVolumePutFilesRequest) async throws -> Google_Protobuf_Empty {
        try Self.check(count: request.files.count)
        try await changing(request.volumeID) { session in
            for file in request.files {
                let path = try Self.path(file.filename)
                if request.disallowOverwriteExistingFiles { try await Self.requireFree(path, session) }
                let content = try await uploads.open(try MountCalls.digest(file.sha256Hex))
                _ = try await session.write(
                    FileWrite(path: path, mode: file.hasMode ? file.mode & 0o7777 : nil, atomic: true)
                ) { try await content.next() }
            }
        }
        return Google_Protobuf_Empty()
    }

    private static func check(count: Int) throws(CordonError) {
        guard count <= mostFiles else {
            throw .invalid(field: "files", value: "\(count)", rule: "at most \(mostFiles)")
        }
    }

    private static func requireFree(_ path: FilePath, _ session: any FileSession) async throws {
        do { _ = try await session.attributes(of: path, followingLinks: false) } catch let error as CordonError
            where error.code == .notFound
        { return }
        throw CordonError(.alreadyExists, "\(path) exists already", field: "path", value: path.text)
    }

    /// Files in blocks: those that aren't here are asked for, and once all are, the files are written.
    private func putBlocks(_ request: ModalVolumePutFiles2Request) async throws -> ModalVolumePutFiles2Response {
        try Self.check(count: request.files.count)
        _ = try await volumes.volume(try Self.reference(request.volumeID))
        var answer = ModalVolumePutFiles2Response()
        for (index, file) in request.files.enumerated() {
            for block in try await missingBlocks(of: file) {
                answer.missingBlocks.append(
                    try .with {
                        $0.fileIndex = UInt64(index)
                        $0.blockIndex = UInt64(block.index)
                        $0.putURL = try address() + uploads.address(of: .file(block.digest))
                    })
            }
        }
        guard answer.missingBlocks.isEmpty else { return answer }
        try await changing(request.volumeID) { session in
            for file in request.files {
                let path = try Self.path(file.path)
                if request.disallowOverwriteExistingFiles { try await Self.requireFree(path, session) }
                var blocks = try FileBlocks(file, uploads: uploads)
                _ = try await session.write(
                    FileWrite(path: path, mode: file.hasMode ? file.mode & 0o7777 : nil, atomic: true)
                ) { try await blocks.next() }
            }
        }
        return answer
    }

    private func missingBlocks(
        of file: ModalVolumePutFiles2Request.File
    ) async throws -> [(index: Int, digest: ContentDigest)] {
        let digests = try FileBlocks.digests(of: file)
        let missing = Set(try await uploads.missing(digests))
        return digests.enumerated().filter { missing.contains($0.element) }.map { ($0.offset, $0.element) }
    }

    private func remove(_ id: String, _ text: String, _ isRecursive: Bool) async throws {
        let path = try Self.path(text)
        guard path != .root else {
            throw CordonError.invalid(field: "path", value: text, rule: "a path below the volume's root")
        }
        try await changing(id) { try await $0.remove(path, recursive: isRecursive) }
    }

    // MARK: Copying

    private func copy(_ id: String, _ sources: [String], _ destination: String, _ isRecursive: Bool) async throws {
        try Self.check(count: sources.count)
        let place = try Self.path(destination)
        let sources = try sources.map { try Self.path($0) }
        try await volumes.changeVolume(try Self.reference(id)) { change in
            let (from, to) = (try await change.openFiles(), try await change.openFiles())
            defer {
                from.close()
                to.close()
            }
            var isDirectory = sources.count > 1 || destination.hasSuffix("/") || place == .root
            if !isDirectory, let there = try? await to.attributes(of: place, followingLinks: true) {
                isDirectory = there.kind == .directory
            }
            for source in sources {
                let name = source.text.pathNames.last ?? ""
                let target =
                    isDirectory ? try FilePath(place == .root ? "/\(name)" : "\(place)/\(name)") : place
                try await Self.copy(source, to: target, isRecursive, from, to)
            }
        }
    }

    private static func copy(
        _ source: FilePath, to target: FilePath, _ isRecursive: Bool, _ from: any FileSession, _ to: any FileSession
    ) async throws {
        let attributes = try await from.attributes(of: source, followingLinks: true)
        if attributes.kind == .directory {
            guard isRecursive else {
                throw CordonError.invalid(
                    field: "src_paths", value: source.text, rule: "a file, or a directory with recursive")
            }
            guard target != source, !target.text.hasPrefix(source.text + "/") else {
                throw CordonError.invalid(field: "dst_path", value: target.text, rule: "outside of what is copied")
            }
            try await from.pack(source, compression: .none)
            _ = try await to.unpack(
                Unpacking(
                    path: target, kind: .archive, compression: .none, mostBytes: .max >> 1,
                    mostEntries: UInt64(mostEntries))
            ) { try await from.nextPiece() }
            return
        }
        guard target != source else { return }
        _ = try await from.read(source, from: 0, upTo: .max >> 1)
        _ = try await to.write(FileWrite(path: target, mode: attributes.mode, atomic: true)) {
            try await from.nextPiece()
        }
    }
}
