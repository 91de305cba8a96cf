import FoundationEssentials
import SandboxModel

/// What users and groups are called inside of a sandbox, by its own files: the sandbox's word.
package struct AccountNames {
    /// No more of a file is read.
    static let mostBytes = 256 * 1024

    private let users: [UInt32: String]
    private let groups: [UInt32: String]

    /// - Parameters:
    ///   - passwd: `/etc/passwd` (passwd(5)).
    ///   - group: `/etc/group` (group(5)).
    package init(passwd: [UInt8], group: [UInt8]) {
        users = Self.names(in: passwd)
        groups = Self.names(in: group)
    }

    /// The name, or the number where it has none.
    func user(_ id: UInt32) -> String { users[id] ?? "\(id)" }
    func group(_ id: UInt32) -> String { groups[id] ?? "\(id)" }

    /// The first of an id's names holds, as for everybody else.
    private static func names(in file: [UInt8]) -> [UInt32: String] {
        var names: [UInt32: String] = [:]
        for line in String(decoding: file, as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count > 2, let id = UInt32(fields[2]), names[id] == nil else { continue }
            names[id] = String(fields[0].prefix(64))
        }
        return names
    }
}

extension FileSession {
    /// None where the files can't be read.
    func accountNames() async -> AccountNames {
        AccountNames(passwd: await content(of: "/etc/passwd"), group: await content(of: "/etc/group"))
    }

    private func content(of text: String) async -> [UInt8] {
        guard let path = try? FilePath(text),
            (try? await read(path, from: 0, upTo: UInt64(AccountNames.mostBytes))) != nil
        else { return [] }
        var bytes: [UInt8] = []
        while let piece = try? await nextPiece() { bytes += piece }
        return bytes
    }
}
