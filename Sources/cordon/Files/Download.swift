import CordonAPI
import CordonClient
import Foundation
import LinuxSystem
import NIOCore
import SandboxModel
import ShimProtocol
import TarArchives

/// Copies out of a sandbox, which may say anything: nothing is written but beneath the destination.
struct Download {
    let files: RemoteFiles
    let progress: CopyProgress

    func copy(_ path: String, to destination: CopyEnd) async throws {
        let isDirectory = try await files.describe(path).kind == "directory"
        switch destination {
        case .stream:
            func give(_ bytes: ByteBuffer) async throws {
                progress.advance(bytes.readableBytes)
                try await LocalOutput.write(bytes, to: .stdout)
            }
            if isDirectory { try await files.pack(path, give) } else { try await files.read(path, give) }
        case .local(let local):
            var status = stat()
            let isThere = stat(local, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            let target = copyTarget(path, local, isDirectory: isDirectory, isDirectoryThere: isThere)
            if isDirectory { try await unpack(path, to: target) } else { try await write(path, to: target) }
        case .sandbox: break
        }
    }

    private func unpack(_ path: String, to target: String) async throws {
        let unpacking = Unpacking(
            path: try localPath(target), kind: .archive, compression: .none, mostBytes: .max, mostEntries: .max)
        do {
            let tree = try TreeUnpacking(unpacking, owners: .unpackers) {
            } make: { (path) throws(Fault) in
                guard mkdir(path, 0o777) == 0 else { throw Fault(errno: errno) }
            }
            try await files.pack(path) { bytes in
                progress.advance(bytes.readableBytes)
                try bytes.withUnsafeReadableBytes { try tree.take($0) }
            }
            try tree.finish()
            sayLeftOut(tree.leftOut.paths, tree.leftOut.count)
        } catch let fault as Fault { throw LocalFault(target, fault) }
    }

    /// Writes beside the file, which is replaced once all has come.
    private func write(_ path: String, to target: String) async throws {
        let mode = try await files.describe(path).mode
        let temporary = "\(target).cordon-\(UInt32.random(in: 0...UInt32.max))"
        let raw = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw LocalFailure(target, errno) }
        let file = SharedDescriptor(Descriptor(owning: raw))
        do {
            try await files.read(path) { bytes in
                progress.advance(bytes.readableBytes)
                do { try bytes.withUnsafeReadableBytes { try writeAll($0, to: file.raw) } } catch {
                    throw CopyRefused("\(target): \(error)")
                }
            }
            let permissions = (mode_t(mode, radix: 8) ?? 0o644) & 0o777 & ~EntryWriter.umask
            guard fchmod(file.raw, permissions) == 0, rename(temporary, target) == 0 else {
                throw LocalFailure(target, errno)
            }
        } catch {
            unlink(temporary)
            throw error
        }
    }
}
