import SandboxModel

/// The sandbox that an instruction copies into.
struct CopyTarget {
    private static let accountFileBytes: UInt64 = 1 << 20

    let session: any FileSession
    let limits: ImageLimits

    /// Where a file comes to: in a directory under its own name, or as it is said.
    func path(of name: String, in destination: String, isDirectory: Bool) async throws -> FilePath {
        let trimmed = destination.pathNames.filter { $0 != "." }.joined(separator: "/")
        let inside = try FilePath("/\(trimmed.isEmpty ? "" : trimmed + "/")\(name)")
        if isDirectory || trimmed.isEmpty { return inside }
        let path = try FilePath("/\(trimmed)")
        do {
            return try await session.attributes(of: path, followingLinks: true).kind == .directory ? inside : path
        } catch let error as CordonError where error.code == .notFound { return path }
    }

    func unpack(
        at directory: String, _ compression: ArchiveCompression, owner: FileOwner?, mode: UInt32?,
        next: () async throws -> [UInt8]?
    ) async throws {
        _ = try await session.unpack(
            Unpacking(
                path: try FilePath(directory), kind: .archive, compression: compression, mostBytes: limits.bytes,
                mostEntries: limits.entries, owner: owner, mode: mode), next: next)
    }

    /// Writes a text that stands in the Dockerfile.
    func write(_ text: String, to path: FilePath, mode: UInt32?, isOwned: Bool) async throws {
        guard !isOwned else { throw CopyFault(message: "--chown of a text from the Dockerfile isn't served") }
        _ = try await session.write(FileWrite(path: path, mode: mode ?? 0o644), content: Array(text.utf8))
    }

    /// How an archive is compressed that `ADD` unpacks, by its name; nil for other files.
    static func compression(ofArchive name: String) throws(CopyFault) -> ArchiveCompression? {
        for (ending, compression) in [
            (".tar", ArchiveCompression.none), (".tar.gz", .gzip), (".tgz", .gzip), (".tar.zst", .zstd),
        ] where name.hasSuffix(ending) { return compression }
        for ending in [".tar.xz", ".txz", ".tar.bz2", ".tbz2"] where name.hasSuffix(ending) {
            throw CopyFault(message: "\(name): archives are unpacked with gzip, zstd or no compression")
        }
        return nil
    }

    // MARK: Owners

    /// Who `user[:group]` is here. Throws when nobody has that name.
    func owner(_ text: String?) async throws -> FileOwner? {
        guard let text else { return nil }
        let halves = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(halves.count), !halves[0].isEmpty else {
            throw CopyFault(message: "--chown takes a user, and perhaps : and a group")
        }
        let (user, ownGroup) = try await number(halves[0], in: "/etc/passwd")
        guard halves.count == 2 else { return FileOwner(user: user, group: ownGroup ?? user) }
        return FileOwner(user: user, group: try await number(halves[1], in: "/etc/group").0)
    }

    /// The number of a name, and with it a user's group.
    private func number(_ name: String, in file: String) async throws -> (UInt32, UInt32?) {
        if let number = UInt32(name) { return (number, nil) }
        var bytes: [UInt8] = []
        do {
            _ = try await session.read(try FilePath(file), from: 0, upTo: Self.accountFileBytes)
            while let piece = try await session.nextPiece() { bytes += piece }
        } catch let error as CordonError where error.code == .notFound {}
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 3, fields[0] == name, let number = UInt32(fields[2]) else { continue }
            return (number, fields.count > 3 ? UInt32(fields[3]) : nil)
        }
        throw CopyFault(message: "--chown: \(file) of the image has no \(name)")
    }
}
