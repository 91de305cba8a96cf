import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

extension FileAgent {
    // MARK: Reading

    func read(_ request: ReadFile) throws {
        try Self.requireRegular(try Self.attributes(request.path, follows: true))
        let file = try Self.open(AT_FDCWD, request.path, O_RDONLY)
        // It may be another by now.
        let attributes = try Self.attributes(of: file.raw)
        try Self.requireRegular(attributes)
        try wire.send(FileState(attributes: attributes))
        try wire.send(FileEnd(isWhole: try send(file.raw, from: request.offset, upTo: request.length)))
    }

    /// Sends what a file holds; false when it could not be read to the end.
    private func send(_ file: Int32, from start: UInt64, upTo length: UInt64) throws -> Bool {
        var offset = start
        var left = length
        var buffer = [UInt8](repeating: 0, count: FileData.maximumBytes)
        while left > 0, offset <= UInt64(Int64.max) {
            let wanted = Int(min(UInt64(buffer.count), left))
            let count = pread(file, &buffer, wanted, off_t(offset))
            if count < 0 && errno == EINTR { continue }
            // Some of the kernel's files are read from the start to the end, and no other way.
            guard count >= 0 else { return false }
            if count == 0 { return true }
            try wire.send(FileData(bytes: Array(buffer[..<count])))
            offset += UInt64(count)
            left -= UInt64(count)
        }
        return true
    }

    // MARK: Writing

    func write(_ request: WriteFile) throws {
        if request.makesParents {
            let parent = request.path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(request.path[..<$0]) } ?? ""
            if !parent.isEmpty { try makeAll(parent) }
        }
        try wire.send(FileState(attributes: request.atomic ? try replace(request) : try overwrite(request)))
    }

    /// Writes into the file that is there, or a new one.
    private func overwrite(_ request: WriteFile) throws -> FileAttributes {
        if let existing = try Self.found({ () throws(Fault) in try Self.attributes(request.path, follows: true) }) {
            try Self.requireRegular(existing)
        }
        let file = try Self.open(AT_FDCWD, request.path, O_WRONLY | O_CREAT, mode: UInt64(request.mode ?? 0o644))
        try Self.requireRegular(try Self.attributes(of: file.raw))
        guard ftruncate(file.raw, 0) == 0 else { throw Fault(errno: errno) }
        try setMode(of: file.raw, to: request.mode)
        try receive(into: file.raw)
        return try Self.attributes(of: file.raw)
    }

    /// Writes beside the file, and puts the new one in its place. What is there must be a regular file
    /// or a link, which itself is replaced.
    private func replace(_ request: WriteFile) throws -> FileAttributes {
        let place = try Self.place(request.path)
        let (directory, name) = (place.directory, place.name)
        var existing = try Self.found { () throws(Fault) in
            // Held for as long as it is looked at.
            let handle = try Self.open(directory, name, cordon_o_path | O_NOFOLLOW)
            return try Self.attributes(of: handle.raw)
        }
        if existing?.kind == .link { existing = nil }
        if let existing { try Self.requireRegular(existing) }
        let temporary = ".cordon-\(String(UInt64.random(in: 0...UInt64.max), radix: 36)).new"
        let file = try Self.open(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        do {
            if let existing { _ = fchown(file.raw, existing.user, existing.group) }
            try receive(into: file.raw)
            try setMode(of: file.raw, to: request.mode ?? existing.map { $0.mode & 0o777 } ?? 0o644)
            guard renameat(directory, temporary, directory, name) == 0 else { throw Fault(errno: errno) }
            return try Self.attributes(of: file.raw)
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
        while let frame = try wire.next() {
            if frame.type == FileEnd.type.rawValue {
                guard try frame.decode(FileEnd.self).isWhole else { throw Fault(.failed) }
                return
            }
            let data: FileData = try frame.decode()
            do {
                try data.bytes.withUnsafeBytes { try writeAll($0, to: file) }
            } catch let error as SystemCallError { throw Fault(errno: error.errno) }
        }
        throw WireError("the service left while a file was written")
    }
}
