import FoundationEssentials
import SandboxModel

/// A file as the file program tells of it.
package struct FileInfo: Encodable {
    var name: String
    var path: String
    var type: String
    var size: UInt64
    var mode: UInt32
    var permissions: String
    var owner: String
    var group: String
    var modifiedTime: Double
    var symlinkTarget: String?

    package init(path: String, _ attributes: FileAttributes, _ accounts: AccountNames) {
        name = path.pathNames.last ?? "/"
        self.path = path
        type =
            switch attributes.kind {
            case .directory: "directory"
            case .link: "symlink"
            default: "file"
            }
        size = attributes.size
        mode = attributes.mode
        permissions = Self.permissions(attributes)
        owner = accounts.user(attributes.user)
        group = accounts.group(attributes.group)
        modifiedTime = Double(attributes.modifiedAt.microseconds) / 1_000_000
        symlinkTarget = attributes.linkTarget.map { String(decoding: $0, as: UTF8.self) }
    }

    package var json: Data { get throws { try FileJSON.encoder.encode(self) } }

    /// As `ls -l` spells them.
    private static func permissions(_ attributes: FileAttributes) -> String {
        let kind =
            switch attributes.kind {
            case .directory: "d"
            case .link: "l"
            case .fifo: "p"
            case .socket: "s"
            case .characterDevice: "c"
            case .blockDevice: "b"
            case .file, .unknown: "-"
            }
        var text = Array(kind)
        for (index, letter) in "rwxrwxrwx".enumerated() {
            text.append(attributes.mode & (0o400 >> UInt32(index)) != 0 ? letter : "-")
        }
        for (bit, place, set, unset) in [(0o4000, 3, "s", "S"), (0o2000, 6, "s", "S"), (0o1000, 9, "t", "T")]
        where attributes.mode & UInt32(bit) != 0 {
            text[place] = Character(text[place] == "-" ? unset : set)
        }
        return String(text)
    }
}

/// What a client of old is told of a directory.
private struct NameList: Encodable {
    var paths: [String]
}

extension FileSession {
    /// The names in a directory, as a client of old reads them.
    func names(in path: FilePath, most: Int) async throws -> Data {
        var names: [String] = []
        var last: [UInt8] = []
        var bytes = 0
        while true {
            let page = try await list(path, after: last, limit: Self.pageEntries)
            names += page.entries.map { String(decoding: $0.name, as: UTF8.self) }
            // With what a short text takes in memory.
            bytes += page.entries.reduce(0) { $0 + $1.name.count + 16 }
            guard bytes <= most else { throw FileFault.tooLarge.error(path) }
            guard page.hasMore, let name = page.entries.last?.name else { break }
            last = name
        }
        return try JSONEncoder().encode(NameList(paths: names))
    }

    private static var pageEntries: Int { 1000 }
    /// The most links of one directory whose targets are looked up.
    private static var mostLinks: Int { 2000 }

    /// One file.
    func description(of path: FilePath) async throws -> Data {
        let attributes = try await attributes(of: path, followingLinks: false)
        return try FileInfo(path: path.text, attributes, await accountNames()).json
    }

    /// What is in a directory, by name. Throws `resourceExhausted` where it is more than `most` bytes to tell of.
    func listing(of path: FilePath, most: Int) async throws -> Data {
        let accounts = await accountNames()
        var entries: [FileInfo] = []
        var (bytes, links) = (0, 0)
        var last: [UInt8] = []
        while true {
            let page = try await list(path, after: last, limit: Self.pageEntries)
            for entry in page.entries {
                let name = String(decoding: entry.name, as: UTF8.self)
                let whole = path.text.hasSuffix("/") ? path.text + name : "\(path.text)/\(name)"
                var attributes = entry.attributes
                if attributes.kind == .link, links < Self.mostLinks, let link = try? FilePath(whole) {
                    links += 1
                    // It may be gone, or something else, by now.
                    attributes.linkTarget = try? await self.attributes(of: link, followingLinks: false).linkTarget
                }
                entries.append(FileInfo(path: whole, attributes, accounts))
                bytes += 256 + 2 * whole.utf8.count
            }
            guard bytes <= most else {
                throw CordonError(
                    .resourceExhausted, "\(path) has too many entries to list", detail: ["reason": "too_large"])
            }
            guard page.hasMore, let name = page.entries.last?.name else { break }
            last = name
        }
        return try FileJSON.encoder.encode(entries)
    }
}
