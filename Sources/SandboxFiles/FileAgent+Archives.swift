import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol
import TarArchives

extension FileAgent {
    func unpack(_ request: UnpackArchive) throws {
        let decompression = try Decompression(request.unpacking.compression)
        var digest = SHA256Digest()
        let tree = try TreeUnpacking(request.unpacking) { [wire] in
            wire.stillWorking()
        } make: { (path) throws(Fault) in
            try makeAll(path)
        }
        do {
            let end = try wire.content { piece in
                try decompression.take(piece) { plain in
                    digest.take(plain)
                    try tree.take(plain)
                }
            }
            guard let end else { throw WireError("the service left while an archive was unpacked") }
            guard try end.decode(FileEnd.self).isWhole else { throw Fault(.failed) }
            try decompression.finish()
            try tree.finish()
            try wire.send(ArchiveUnpacked(summary(of: tree, digest.finish())))
        } catch {
            tree.giveUp()
            throw error
        }
    }

    private func summary(of tree: TreeUnpacking, _ digest: [UInt8]) -> UnpackingSummary {
        UnpackingSummary(
            entries: tree.entries, bytes: tree.bytes, digest: digest, leftOut: tree.leftOut.paths,
            leftOutCount: tree.leftOut.count)
    }

    func pack(_ request: PackDirectory) throws {
        let compression = try Compression(request.compression) { [wire] piece in
            try wire.send(FileData(bytes: Array(piece)))
        }
        let tree = try TreePacking(request.path, omitsTimes: request.omitsTimes) { [wire] in
            wire.stillWorking()
        } give: {
            try compression.take($0)
        }
        try wire.send(FileState(attributes: try tree.attributes()))
        try tree.run()
        try compression.finish()
        try wire.send(FileEnd(isWhole: true))
    }
}
