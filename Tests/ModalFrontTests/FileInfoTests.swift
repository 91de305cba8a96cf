import Foundation
import ModalFront
import SandboxModel
import Testing

@Suite struct FileInfoTests {
    private let accounts = AccountNames(
        passwd: Array("root:x:0:0:root:/root:/bin/sh\nalso:x:0:0::/:\nbroken\nweb:x:33:33::/:\n".utf8),
        group: Array("root:x:0:\nwww-data:x:33:\n".utf8))

    private func attributes(_ kind: FileKind, mode: UInt32, user: UInt32 = 0) -> FileAttributes {
        FileAttributes(
            kind: kind, size: 5, mode: mode, user: user, group: user, modifiedAt: Timestamp(microseconds: 1_500_000))
    }

    private func json(_ info: FileInfo) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: info.json) as? [String: Any])
    }

    @Test("a file is told of by the keys that the SDK reads")
    func keys() throws {
        let info = try json(FileInfo(path: "/a/b.txt", attributes(.file, mode: 0o644), accounts))
        #expect(info["name"] as? String == "b.txt")
        #expect(info["path"] as? String == "/a/b.txt")
        #expect(info["type"] as? String == "file")
        #expect(info["size"] as? Int == 5)
        #expect(info["mode"] as? Int == 0o644)
        #expect(info["permissions"] as? String == "-rw-r--r--")
        #expect(info["owner"] as? String == "root")
        #expect(info["modified_time"] as? Double == 1.5)
        #expect(info["symlink_target"] == nil)
    }

    @Test("a link tells where it leads, special bits show, and owners have their names or numbers")
    func others() throws {
        var link = attributes(.link, mode: 0o777, user: 33)
        link.linkTarget = Array("../x".utf8)
        let info = try json(FileInfo(path: "/l", link, accounts))
        #expect(info["type"] as? String == "symlink")
        #expect(info["symlink_target"] as? String == "../x")
        #expect(info["owner"] as? String == "web")
        #expect(info["group"] as? String == "www-data")
        let tmp = try json(FileInfo(path: "/tmp", attributes(.directory, mode: 0o1777, user: 7), accounts))
        #expect(tmp["permissions"] as? String == "drwxrwxrwt")
        #expect(tmp["owner"] as? String == "7")
        let setID = try json(FileInfo(path: "/s", attributes(.file, mode: 0o4711), accounts))
        #expect(setID["permissions"] as? String == "-rws--x--x")
    }
}
