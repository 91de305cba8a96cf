import Glibc
import LinuxSystem
import SandboxLauncher
import Testing

@Suite("The host image")
struct HostImageTests {
    @Test(
        "addresses with a user or a password are seen, wherever they stand",
        arguments: [
            "deb https://user:secret@apt.example.org/debian bookworm main",
            "URIs: https://user:secret@apt.example.org/",
            "Acquire::http::Proxy \"http://user:secret@proxy:3128/\";", "http_proxy=http://token@proxy:3128",
            "# a: b\n\ndeb [arch=amd64 trusted=yes] https://me:x@host/ a b",
        ])
    func credentials(_ text: String) { #expect(HostImage.holdsCredentials(Array(text.utf8))) }

    @Test(
        "addresses without are not taken for it",
        arguments: [
            "deb https://deb.debian.org/debian bookworm main", "URIs: mirror+file:///etc/apt/mirrors/debian.list",
            "mail: somebody@example.org",
            "https://example.org/~someone/x@y", "see https://example.org?mail=a@b", "://", "a:b@c", "",
        ])
    func harmless(_ text: String) { #expect(!HostImage.holdsCredentials(Array(text.utf8))) }

    @Test("nothing that only some may read gets in, and nobody's password")
    func prepared() throws {
        guard getuid() == 0 else { return }
        var template = Array("/tmp/cordon-unit-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp", "/tmp") }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            if let temporary = try? Directory(path: "/tmp") {
                var removal = TreeRemoval(in: temporary)
                try? removal.remove(String(path.dropFirst("/tmp/".count)))
            }
        }
        let images = try Directory(path: path)
        let name = try HostImage.prepare(in: images, hideUsrLocal: true)
        let root = try images.directory("\(name)/root")
        #expect(try HostImage.prepare(in: images, hideUsrLocal: true) == name, "it is made once")
        for secret in [
            "etc/ssh", "etc/ssl/private", "etc/sudoers", "etc/apt/auth.conf", "etc/apt/auth.conf.d",
            "etc/machine-id-old",
        ] {
            #expect(!root.exists(secret))
        }
        let shadow = String(decoding: try #require(try root.read("etc/shadow")), as: UTF8.self)
        #expect(shadow.split(separator: "\n").allSatisfy { $0.split(separator: ":")[1] == "*" })
        #expect(root.exists("etc/passwd") && root.exists("usr") && root.exists("tmp"))
        #expect(try images.entries() == [name])
    }
}
