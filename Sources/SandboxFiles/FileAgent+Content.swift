import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol
import TarArchives

extension FileAgent {
    // MARK: Reading

    func read(_ request: ReadFile) throws {
        try Self.requireRegular(try Self.attributes(request.path, follows: true))
        let file = try Descriptor.open(AT_FDCWD, request.path, O_RDONLY)
        // It may be another by now.
        let attributes = try FileAttributes(of: file.raw)
        try Self.requireRegular(attributes)
        try wire.send(FileState(attributes: attributes))
        try wire.send(FileEnd(isWhole: try send(file.raw, from: request.offset, upTo: request.length)))
    }

    /// Sends what a file holds; false when it could not be read to the end.
    private func send(_ file: Int32, from start: UInt64, upTo length: UInt64) throws -> Bool {
        var offset = start
        var left = length
        var buffer = [UInt8](repeating: 0, count: FileData.headSize + FileData.maximumBytes)
        while left > 0, offset <= UInt64(Int64.max) {
            let wanted = Int(min(UInt64(FileData.maximumBytes), left))
            let count = buffer.withUnsafeMutableBytes {
                pread(file, $0.baseAddress.map { $0 + FileData.headSize }, wanted, off_t(offset))
            }
            if count < 0 && errno == EINTR { continue }
            // Some of the kernel's files are read from the start to the end, and no other way.
            guard count >= 0 else { return false }
            if count == 0 { return true }
            try wire.sendPiece(of: count, in: &buffer)
            offset += UInt64(count)
            left -= UInt64(count)
        }
        return true
    }

    /// Says what a file's content comes to, or a link's target; nothing is followed.
    func digest(_ request: DigestFile) throws {
        var digest = SHA256Digest()
        if try Self.attributes(request.path, follows: false).kind == .link {
            var target = [UInt8](repeating: 0, count: Int(PATH_MAX) + 1)
            let count = target.withUnsafeMutableBytes { bytes in
                bytes.withMemoryRebound(to: CChar.self) { text in
                    text.baseAddress.map { readlink(request.path, $0, text.count) } ?? -1
                }
            }
            guard count >= 0 else { throw Fault(errno: errno) }
            target.withUnsafeBytes { digest.take(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            return try wire.send(FileDigest(digest.finish()))
        }
        let file = try Descriptor.open(AT_FDCWD, request.path, O_RDONLY | O_NOFOLLOW)
        try Self.requireRegular(try FileAttributes(of: file.raw))
        var buffer = [UInt8](repeating: 0, count: FileData.maximumBytes)
        while true {
            let count = Glibc.read(file.raw, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw Fault(errno: errno) }
            if count == 0 { break }
            buffer.withUnsafeBytes { digest.take(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            wire.stillWorking()
        }
        try wire.send(FileDigest(digest.finish()))
    }

    // MARK: Writing

    func write(_ request: WriteFile) throws {
        if request.makesParents {
            let parent =
                request.path.utf8.lastIndex(of: UInt8(ascii: "/")).map {
                    String(decoding: request.path.utf8[..<$0], as: UTF8.self)
                } ?? ""
            if !parent.isEmpty { try makeAll(parent) }
        }
        try wire.send(FileState(attributes: request.atomic ? try replace(request) : try overwrite(request)))
    }

    /// Writes into the file that is there, or a new one.
    private func overwrite(_ request: WriteFile) throws -> FileAttributes {
        if let existing = try Self.found({ () throws(Fault) in try Self.attributes(request.path, follows: true) }) {
            try Self.requireRegular(existing)
        }
        let file = try Descriptor.open(AT_FDCWD, request.path, O_WRONLY | O_CREAT, mode: UInt64(request.mode ?? 0o644))
        try Self.requireRegular(try FileAttributes(of: file.raw))
        guard ftruncate(file.raw, 0) == 0 else { throw Fault(errno: errno) }
        try setMode(of: file.raw, to: request.mode)
        try receive(into: file.raw)
        return try FileAttributes(of: file.raw)
    }

    /// Writes beside the file, and puts the new one in its place. What is there must be a regular file
    /// or a link, which itself is replaced.
    private func replace(_ request: WriteFile) throws -> FileAttributes {
        let place = try Self.place(request.path)
        let (directory, name) = (place.directory, place.name)
        var existing = try Self.found { () throws(Fault) in
            // Held for as long as it is looked at.
            let handle = try Descriptor.open(directory, name, cordon_o_path | O_NOFOLLOW)
            return try FileAttributes(of: handle.raw)
        }
        if existing?.kind == .link { existing = nil }
        if let existing { try Self.requireRegular(existing) }
        let temporary = ".cordon-\(String(UInt64.random(in: 0...UInt64.max), radix: 36)).new"
        let file = try Descriptor.open(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        do {
            if let existing { _ = fchown(file.raw, existing.user, existing.group) }
            try receive(into: file.raw)
            try setMode(of: file.raw, to: request.mode ?? existing.map { $0.mode & 0o777 } ?? 0o644)
            guard renameat(directory, temporary, directory, name) == 0 else { throw Fault(errno: errno) }
            return try FileAttributes(of: file.raw)
        } catch {
            _ = unlinkat(directory, temporary, 0)
            throw error
        }
    }

    /// nil for what isn't there.
    private static func found(_ look: () throws(Fault) -> FileAttributes) throws(Fault) -> FileAttributes? {
        do { return try look() } catch {
            guard error.fault == .notFound else { throw error }
            return nil
        }
    }

    private func setMode(of file: Int32, to mode: UInt32?) throws(Fault) {
        guard let mode else { return }
        guard fchmod(file, mode_t(mode & 0o7777)) == 0 else { throw Fault(errno: errno) }
    }

    /// Takes a file's content from the service, which throws when it isn't whole.
    private func receive(into file: Int32) throws {
        let end = try wire.content { piece in
            do throws(SystemCallError) { try writeAll(piece, to: file) } catch { throw Fault(errno: error.errno) }
        }
        guard let end else { throw WireError("the service left while a file was written") }
        guard try end.decode(FileEnd.self).isWhole else { throw Fault(.failed) }
    }
}
