import CordonAPI
import CordonClient
import Foundation

/// Copies from here into a sandbox.
struct Upload {
    let files: RemoteFiles
    let progress: CopyProgress

    func copy(_ source: CopyEnd, to path: String, isArchive: Bool) async throws {
        switch source {
        case .stream where isArchive:
            let told = try await files.unpack(path, counted(LocalInput(descriptor: 0)))
            sayLeftOut(told.leftOut, told.leftOutCount)
        case .stream:
            _ = try await files.write(path, mode: nil, length: nil, counted(LocalInput(descriptor: 0)))
        case .local(let source): try await copy(local: source, to: path)
        case .sandbox: break
        }
    }

    private func counted<Base>(_ base: Base) -> CountedPieces<Base> { CountedPieces(base: base, progress: progress) }

    private func copy(local source: String, to path: String) async throws {
        // Opened first, and looked at then. A FIFO doesn't make us wait.
        let descriptor = open(source, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw LocalFailure(source, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw LocalFailure(source, errno) }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFREG || kind == S_IFDIR else { throw CopyRefused("\(source): neither a file nor a directory") }
        let isDirectory = kind == S_IFDIR
        let there = try await files.find(path)
        let target = copyTarget(
            source, path, isDirectory: isDirectory, isDirectoryThere: there?.kind == "directory")
        guard isDirectory else {
            let mode = "0" + String(status.st_mode & 0o777, radix: 8)
            _ = try await files.write(
                target, mode: mode, length: nil, counted(LocalInput(descriptor: descriptor)))
            return
        }
        if let there, there.kind != "directory" { throw CopyRefused("\(path): it is there, and no directory") }
        let archive = try LocalArchive(source)
        let told = try await files.unpack(target, counted(archive))
        sayLeftOut(archive.leftOut.paths, archive.leftOut.count)
        sayLeftOut(told.leftOut, told.leftOutCount)
    }
}

/// A copy that can't be made.
struct CopyRefused: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
