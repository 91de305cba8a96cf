import Crypto
import SandboxModel

/// Files to copy from, in a sandbox of their own: a build context, or another image's.
struct CopySource: Sendable {
    private static let contextDirectory = "/context"
    /// What is to come under another name lies in this beside where it was, for a moment.
    private static let stagingName = ".cordon-staging"
    private static let ignoreFileBytes = 128 << 10
    private static let listed = 1000
    private static let mostFound = 100_000

    let host: any SandboxHost
    let sandbox: SandboxID
    /// `/`, or where the context is.
    let root: String
    /// Whom what is copied belongs to unless the instruction says; nil for whom it belonged to.
    let owner: FileOwner?

    /// Another image's files.
    init(host: any SandboxHost, imageIn sandbox: SandboxID) {
        (self.host, self.sandbox, root, owner) = (host, sandbox, "", nil)
    }

    /// A context that is unpacked from its archive's pieces; what its `.dockerignore` names isn't there then.
    init(
        host: any SandboxHost, contextIn sandbox: SandboxID, limits: ImageLimits,
        next: @escaping () async throws -> [UInt8]?
    ) async throws {
        (self.host, self.sandbox, root, owner) = (host, sandbox, Self.contextDirectory, .root)
        let archive = try await PeekedArchive(next)
        let path = try FilePath(root)
        _ = try await withSession { session in
            try await session.unpack(
                Unpacking(
                    path: path, kind: .archive, compression: archive.compression, mostBytes: limits.bytes,
                    mostEntries: limits.entries), next: { try await archive.next() })
        }
        try await leaveOut()
    }

    func withSession<Value>(_ work: (any FileSession) async throws -> Value) async throws -> Value {
        let session = try await host.openFiles(in: sandbox, as: nil)
        defer { session.close() }
        return try await work(session)
    }

    // MARK: What is there

    /// Something that an instruction names.
    struct Item: Sendable, Hashable {
        /// From the source's top, without a slash before it; empty for all of it.
        let path: String
        let kind: FileKind

        var name: String { path.pathNames.last ?? "" }
    }

    /// What a pattern matches, in order. Throws when that is nothing.
    func items(_ text: String) async throws -> [Item] {
        let parts = text.pathNames.filter { $0 != "." }
        guard !parts.contains("..") else { throw CopyFault(message: "\(text): \"..\" leads out of it") }
        return try await withSession { session in
            var found = [Item(path: "", kind: .directory)]
            for part in parts {
                let pattern = PathPattern(part)
                var next: [Item] = []
                for item in found {
                    next += try await matches(pattern, part, in: item, session)
                    guard next.count <= Self.mostFound else { throw CopyFault(message: "\(text): too many files") }
                }
                found = next
            }
            guard !found.isEmpty else { throw CopyFault(message: "\(text): there is no such file") }
            return found
        }
    }

    private func matches(
        _ pattern: PathPattern, _ name: String, in item: Item, _ session: any FileSession
    ) async throws -> [Item] {
        guard item.kind == .directory else { return [] }
        if pattern.isLiteral {
            let path = item.path.isEmpty ? name : "\(item.path)/\(name)"
            do {
                let found = try await session.attributes(of: try self.path(path), followingLinks: false)
                return [Item(path: path, kind: found.kind)]
            } catch let error as CordonError where error.code == .notFound { return [] }
        }
        return try await entries(of: item, session).filter { pattern.matches($0.name) }
    }

    /// All entries of a directory, in order; names that aren't UTF-8 can't be named, nor are they copied by name.
    private func entries(of item: Item, _ session: any FileSession) async throws -> [Item] {
        var items: [Item] = []
        var last: [UInt8] = []
        while true {
            let page = try await session.list(try path(item.path), after: last, limit: Self.listed)
            for entry in page.entries {
                guard let name = String(validating: entry.name, as: UTF8.self) else { continue }
                items.append(
                    Item(path: item.path.isEmpty ? name : "\(item.path)/\(name)", kind: entry.attributes.kind))
            }
            guard items.count <= Self.mostFound else { throw CopyFault(message: "\(item.path): too many files") }
            guard page.hasMore, let end = page.entries.last?.name else { return items }
            last = end
        }
    }

    private func path(_ relative: String) throws(CordonError) -> FilePath {
        try FilePath(relative.isEmpty ? (root.isEmpty ? "/" : root) : "\(root)/\(relative)")
    }

    // MARK: The context's own rules

    private func leaveOut() async throws {
        try await withSession { session in
            var bytes: [UInt8] = []
            do {
                _ = try await session.read(try path(".dockerignore"), from: 0, upTo: UInt64(Self.ignoreFileBytes) + 1)
                while let piece = try await session.nextPiece() { bytes += piece }
            } catch let error as CordonError where error.code == .notFound { return }
            guard bytes.count <= Self.ignoreFileBytes else { throw CopyFault(message: ".dockerignore is too large") }
            let rules = IgnoreRules(String(decoding: bytes, as: UTF8.self))
            guard !rules.isEmpty else { return }
            try await leaveOut(rules, below: Item(path: "", kind: .directory), session)
        }
    }

    private func leaveOut(_ rules: IgnoreRules, below top: Item, _ session: any FileSession) async throws {
        var pending = [top]
        while let directory = pending.popLast() {
            for item in try await entries(of: directory, session) {
                // Many rules and deep paths take their time: others' work goes on between.
                await Task.yield()
                let isOut = rules.leavesOut(item.path)
                if item.kind == .directory, !isOut || rules.hasExceptions {
                    pending.append(item)
                } else if isOut {
                    try await session.remove(try path(item.path), recursive: true)
                }
            }
        }
    }

    // MARK: Archives

    /// Gives an item as an archive: a directory's content, or one file under `name`.
    func archive<Value>(
        of item: Item, as name: String, omittingTimes: Bool = false,
        _ take: (_ next: () async throws -> [UInt8]?) async throws -> Value
    ) async throws -> Value {
        try await withSession { session in
            guard item.kind != .directory else {
                try await session.pack(try path(item.path), compression: .none, omittingTimes: omittingTimes)
                return try await take { try await session.nextPiece() }
            }
            let staging = try path(
                (item.path.pathNames.dropLast() + [Self.stagingName])
                    .joined(separator: "/"))
            let staged = try FilePath("\(staging)/\(name)")
            try await session.makeDirectory(staging, parents: true, mode: nil)
            try await session.rename(try path(item.path), to: staged, replacing: true)
            try await session.pack(staging, compression: .none, omittingTimes: omittingTimes)
            let value = try await take { try await session.nextPiece() }
            try await session.rename(staged, to: try path(item.path), replacing: true)
            try await session.remove(staging, recursive: true)
            return value
        }
    }

    /// What an item is known by: the same files with the same permissions, whenever they were written.
    func digest(of item: Item) async throws -> ContentDigest {
        try await archive(of: item, as: "file", omittingTimes: true) { next in
            var hash = SHA256()
            while let bytes = try await next() { hash.update(data: bytes) }
            return ContentDigest(bytes: hash.finalize())
        }
    }

    /// Gives one file's bytes.
    func content<Value>(
        of item: Item, _ take: (_ next: () async throws -> [UInt8]?) async throws -> Value
    ) async throws -> Value {
        try await withSession { session in
            _ = try await session.read(try path(item.path), from: 0, upTo: UInt64.max >> 1)
            return try await take { try await session.nextPiece() }
        }
    }
}

/// Why something can't be copied; the instruction's place is added to it.
struct CopyFault: Error {
    let message: String
}

/// An archive's pieces, with the first looked at.
final class PeekedArchive {
    let compression: ArchiveCompression
    private var first: [UInt8]?
    private let rest: () async throws -> [UInt8]?

    init(_ next: @escaping () async throws -> [UInt8]?) async throws {
        var bytes: [UInt8] = []
        while bytes.count < 4, let more = try await next() { bytes += more }
        compression = ArchiveCompression(firstBytes: bytes)
        first = bytes.isEmpty ? nil : bytes
        rest = next
    }

    func next() async throws -> [UInt8]? {
        if let bytes = first {
            first = nil
            return bytes
        }
        return try await rest()
    }
}
