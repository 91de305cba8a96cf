import SandboxModel
import Testing

@Suite("Names of images")
struct ImageReferenceTests {
    @Test(
        "a short name is said in full",
        arguments: [
            ("debian", "docker.io/library/debian:latest"), ("debian:12", "docker.io/library/debian:12"),
            ("team/app", "docker.io/team/app:latest"), ("localhost/app", "localhost/app:latest"),
            ("127.0.0.1:5000/app:1", "127.0.0.1:5000/app:1"),
            ("index.docker.io/library/debian", "docker.io/library/debian:latest"),
            ("r.example/a/b__c/d-e.f:V1_x", "r.example/a/b__c/d-e.f:V1_x"),
            (
                "app@sha256:" + String(repeating: "0a", count: 32),
                "docker.io/library/app@sha256:" + String(repeating: "0a", count: 32)
            ),
        ])
    func full(text: String, full: String) throws {
        let reference = try ImageReference(text)
        #expect(reference.description == full)
        #expect(try ImageReference(full) == reference)
    }

    @Test(
        "what is no name is refused",
        arguments: [
            "", "Debian", "debian:", "debian:-x", "a//b", "/a", "a/", "a b", "a:b:c", "-a", "a-", "a..b", "a___b",
            "r.example:0/a", "r.example:99999/a", "app@sha256:12", "app@md5:" + String(repeating: "0", count: 64),
            "a/../b", "r..example/a", String(repeating: "a", count: 300),
        ])
    func refused(text: String) {
        #expect(throws: CordonError.self) { try ImageReference(text) }
    }

    @Test("the same bytes give the same image id, others another, of the form of ids")
    func derivedIDs() {
        let (one, two) = (ImageID(digest: Array(0..<32)), ImageID(digest: Array(1..<33)))
        #expect(one == ImageID(digest: Array(0..<32)))
        #expect(one != two)
        #expect(ImageID(one.text) == one)
    }
}
