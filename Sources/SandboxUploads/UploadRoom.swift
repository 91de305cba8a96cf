import SandboxModel
import StoredFiles
import Synchronization

/// What uploads take of the disk, counted: bytes are asked for before they are written.
final class UploadRoom: Sendable {
    private struct Taken {
        var bytes: UInt64
        var count: Int
    }

    private let directory: String
    private let limits: UploadLimits
    private let taken: Mutex<Taken>

    init(directory: String, limits: UploadLimits, bytes: UInt64, count: Int) {
        self.directory = directory
        self.limits = limits
        taken = Mutex(Taken(bytes: bytes, count: count))
    }

    /// Whether little is left: more than four fifths are taken.
    var isTight: Bool {
        taken.withLock { taken in
            taken.bytes > limits.totalBytes / 5 * 4 || taken.count > limits.count / 5 * 4
        }
    }

    /// One more file or blob.
    func enter() throws {
        try taken.withLock { taken in
            guard taken.count < limits.count else {
                throw CordonError(
                    .resourceExhausted,
                    "there are \(taken.count) uploads here, which is the most; unused ones go in time")
            }
            taken.count += 1
        }
    }

    func leave(bytes: UInt64, count: Int = 1) {
        taken.withLock { taken in
            taken.bytes -= min(taken.bytes, bytes)
            taken.count -= min(taken.count, count)
        }
    }

    /// Room for more bytes of one upload.
    func take(_ bytes: UInt64) throws {
        guard try FreeSpace.bytes(at: directory) > limits.reserveBytes + bytes else {
            throw CordonError(
                .resourceExhausted, "there is no disk space for the upload", rule: "the option disk_reserve_mib")
        }
        try taken.withLock { taken in
            guard taken.bytes + bytes <= limits.totalBytes else {
                throw CordonError(
                    .resourceExhausted, "uploads take \(taken.bytes) bytes, and may take \(limits.totalBytes)",
                    rule: "the option upload_max_mib")
            }
            taken.bytes += bytes
        }
    }
}
