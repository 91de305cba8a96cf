import Foundation
public import Logging
public import SandboxModel
import StoredFiles

/// Uploads as files below one directory: `files/<digest>`, whole and verified, `trees/<id>`, and `blobs/<id>/` with `length`, a file
/// for each part, and `complete` once all are there. What ends in `.part` is on its way, or was when the service died.
public final class UploadStore: UploadService {
    private static let collectInterval = Duration.seconds(600)
    static let partial = ".part"

    let files: String
    let trees: String
    let blobs: String
    let limits: UploadLimits
    let room: UploadRoom
    let seal: AddressSeal
    private let logger: Logger

    /// - Parameters:
    ///   - directory: Made where there is none.
    ///   - sign: A keyed hash that outlives the process.
    public init(
        directory: String, limits: UploadLimits = UploadLimits(), sign: @escaping @Sendable ([UInt8]) -> [UInt8],
        logger: Logger
    ) throws {
        (files, trees, blobs) = (directory + "/files", directory + "/trees", directory + "/blobs")
        self.limits = limits
        self.logger = logger
        seal = AddressSeal(lifetime: limits.addressTime, sign: sign)
        for path in [files, trees, blobs] {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
        try Self.removeBroken(in: [files, trees] + Self.names(in: blobs).map { [blobs] in "\(blobs)/\($0)" })
        let single = try Self.paths(in: files) + Self.paths(in: trees)
        let divided = try Self.paths(in: blobs)
        room = UploadRoom(
            directory: directory, limits: limits,
            bytes: single.reduce(0) { $0 + Self.bytes(of: $1) } + divided.reduce(0) { $0 + Self.bytes(below: $1) },
            count: single.count + divided.count)
    }

    /// What was on its way when the last process died is nobody's.
    private static func removeBroken(in directories: [String]) throws {
        for directory in directories {
            for name in try names(in: directory) where name.hasSuffix(partial) { unlink("\(directory)/\(name)") }
        }
    }

    /// Removes what nobody uses any more, now and then, until cancelled.
    public func run() async {
        while !Task.isCancelled {
            do { _ = try collect(at: .now()) } catch {
                logger.warning("uploads could not be collected", metadata: ["error": "\(error)"])
            }
            do { try await Task.sleep(for: Self.collectInterval) } catch { return }
        }
    }

    /// Removes what nobody has used for long; how much.
    package func collect(at now: Timestamp) throws -> Int {
        var count = 0
        let fileTime = room.isTight ? min(limits.fileTime, limits.tightFileTime) : limits.fileTime
        for directory in [files, trees] {
            for name in try Self.names(in: directory) where isOver("\(directory)/\(name)", fileTime, now) {
                let bytes = Self.bytes(of: "\(directory)/\(name)")
                guard unlink("\(directory)/\(name)") == 0 else { continue }
                room.leave(bytes: bytes)
                count += 1
            }
        }
        for name in try Self.names(in: blobs) where isOver("\(blobs)/\(name)", limits.blobTime, now) {
            let bytes = Self.bytes(below: "\(blobs)/\(name)")
            do { try FileManager.default.removeItem(atPath: "\(blobs)/\(name)") } catch { continue }
            room.leave(bytes: bytes)
            count += 1
        }
        return count
    }

    public func address(of content: ContentAddress) -> String { seal.address(of: content, at: .now()) }

    public func admit(_ content: ContentAddress, expires: String?, signature: String?) throws(CordonError) {
        try seal.admit(content, expires: expires, signature: signature, at: .now())
    }

    // MARK: Files of the directory

    private func isOver(_ path: String, _ time: Duration, _ now: Timestamp) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        return now.microseconds / 1_000_000 - Int64(status.st_mtim.tv_sec) > time.components.seconds
    }

    static func names(in directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory)
    }

    private static func paths(in directory: String) throws -> [String] {
        try names(in: directory).map { "\(directory)/\($0)" }
    }

    static func bytes(of path: String) -> UInt64 {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? UInt64(status.st_size) : 0
    }

    static func bytes(below directory: String) -> UInt64 {
        ((try? names(in: directory)) ?? []).reduce(0) { $0 + bytes(of: "\(directory)/\($1)") }
    }

    func during<Value>(_ what: String, _ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch let error as CordonError {
            throw error
        } catch is CancellationError {
            throw CordonError(.cancelled, "the caller went away during: \(what)")
        } catch let error as StorageFault {
            logger.error("\(what) failed", metadata: ["error": "\(error)"])
            throw CordonError(.internal, "\(what) failed inside the service; its log says why")
        }
    }
}
