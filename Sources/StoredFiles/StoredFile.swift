import Glibc
import NIOCore
import NIOPosix

/// A file being written or read, on threads where blocking is allowed.
package final class StoredFile: Sendable {
    package let descriptor: Int32

    /// Opens a file, with mode 0600 where it is made. Throws `StorageFault`.
    package init(_ path: String, _ flags: Int32) throws {
        descriptor = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw StorageFault("open") }
    }

    deinit { close(descriptor) }

    package func append(_ bytes: ByteBuffer) async throws {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            try bytes.withUnsafeReadableBytes { pointer in
                var rest = pointer[...]
                while !rest.isEmpty {
                    let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                    guard count >= 0 || errno == EINTR else { throw StorageFault("write") }
                    rest = rest.dropFirst(max(0, count))
                }
            }
        }
    }

    /// The next bytes; nil at the end.
    package func next(_ most: Int) async throws -> [UInt8]? {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            let bytes = try [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
                var got = 0
                repeat { got = Glibc.read(descriptor, buffer.baseAddress, most) } while got < 0 && errno == EINTR
                guard got >= 0 else { throw StorageFault("read") }
                count = got
            }
            return bytes.isEmpty ? nil : bytes
        }
    }

    /// How large it is now.
    package func bytes() throws -> UInt64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw StorageFault("fstat") }
        return UInt64(status.st_size)
    }

    package func truncate() throws {
        guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
            throw StorageFault("ftruncate")
        }
    }

    package func sync() async throws {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            guard fsync(descriptor) == 0 else { throw StorageFault("fsync") }
        }
    }
}

/// A file operation that failed; holds no path.
package struct StorageFault: Error, CustomStringConvertible {
    let call: String
    /// The call's `errno`.
    package let code: Int32

    package init(_ call: String) { (self.call, code) = (call, errno) }

    package var description: String { "\(call): \(String(cString: strerror(code)))" }
}

/// What is free on the disk of a directory.
package enum FreeSpace {
    /// Throws `StorageFault`.
    package static func bytes(at directory: String) throws -> UInt64 {
        var room = statvfs()
        guard statvfs(directory, &room) == 0 else { throw StorageFault("statvfs") }
        return UInt64(room.f_bavail) * UInt64(room.f_frsize)
    }
}
