import Foundation

/// A file that only its owner may read, written whole or not at all.
enum PrivateFile {
    /// What went wrong with which file; its directory is not told.
    struct Failure: Error, CustomStringConvertible {
        var file: String
        var step: String
        var code: Int32
        var description: String { "\(file): \(step): \(String(cString: strerror(code)))" }
    }

    /// Writes `bytes` to a file beside `path`, syncs it, and renames it to `path` (rename(2)).
    static func write(_ bytes: [UInt8], to path: String) throws {
        let name = URL(fileURLWithPath: path).lastPathComponent
        let temporary = path + ".new"
        // One that a killed process left is of no use, and may have another mode.
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Failure(file: name, step: "create", code: errno) }
        do {
            defer { close(descriptor) }
            try writeAll(bytes, to: descriptor, name: name)
            guard fsync(descriptor) == 0 else { throw Failure(file: name, step: "sync", code: errno) }
        }
        guard rename(temporary, path) == 0 else { throw Failure(file: name, step: "rename", code: errno) }
        // The new name survives power loss only once the directory is on disk as well.
        let directory = open(
            URL(fileURLWithPath: path).deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw Failure(file: name, step: "open the directory", code: errno) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw Failure(file: name, step: "sync the directory", code: errno) }
    }

    /// The file's bytes, or nil when there is no such file.
    static func read(_ path: String) throws -> [UInt8]? {
        let name = URL(fileURLWithPath: path).lastPathComponent
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw Failure(file: name, step: "open", code: errno)
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        return [UInt8](try handle.readToEnd() ?? Data())
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, name: String) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Foundation.write(descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw Failure(file: name, step: "write", code: errno) }
            written += count
        }
    }
}
