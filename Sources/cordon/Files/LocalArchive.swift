import Foundation
import LinuxSystem
import SandboxModel
import ShimProtocol
import Synchronization
import TarArchives

/// A directory of ours as a tar archive, made on a thread of its own, no faster than it is taken.
final class LocalArchive: AsyncSequence, Sendable {
    typealias Failure = any Error

    private struct Outcome {
        var failure: (any Error)?
        var leftOut = LeftOut()
    }

    private let outcome = Mutex(Outcome())
    private let reader: SharedDescriptor

    /// Throws when it can't be read at all.
    init(_ path: String) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw LocalFailure("pipe", errno) }
        reader = SharedDescriptor(Descriptor(owning: ends[0]))
        let writer = ends[1]
        // The thread's alone from here on.
        nonisolated(unsafe) let packing: TreePacking
        do {
            packing = try TreePacking(try localPath(path)) {
            } give: { bytes in
                try writeAll(bytes, to: writer)
            }
        } catch {
            close(writer)
            throw (error as? Fault).map { LocalFault(path, $0) } ?? error
        }
        signal(SIGPIPE, SIG_IGN)
        Thread.detachNewThread { [self] in
            do { try packing.run() } catch {
                let failure = (error as? Fault).map { LocalFault(path, $0) } ?? error
                outcome.withLock { $0.failure = failure }
            }
            outcome.withLock { $0.leftOut = packing.leftOut }
            // Only now the pipe is at its end: what failed is known before.
            close(writer)
        }
    }

    /// What was not packed; known at the end.
    var leftOut: LeftOut { outcome.withLock { $0.leftOut } }

    func makeAsyncIterator() -> Iterator {
        Iterator(archive: self, pieces: LocalInput(descriptor: reader.raw).makeAsyncIterator())
    }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate let archive: LocalArchive
        fileprivate var pieces: LocalInput.Iterator

        mutating func next() async throws -> [UInt8]? {
            if let piece = try await pieces.next() { return piece }
            if let failure = archive.outcome.withLock({ $0.failure }) { throw failure }
            return nil
        }
    }
}

/// A path of ours, as it is named here.
func localPath(_ path: String) throws -> FilePath {
    let absolute = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    do { return try FilePath(absolute) } catch { throw CopyRefused("\(path): \(error.message)") }
}

/// What went wrong with a file of ours.
struct LocalFault: Error, CustomStringConvertible {
    let description: String

    init(_ path: String, _ fault: Fault) {
        guard let local = try? localPath(path) else {
            description = "\(path): \(fault.fault.rawValue)"
            return
        }
        description = fault.fault.error(local, note: fault.note).message
    }
}
