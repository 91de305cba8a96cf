import Foundation
import ModalFront
import ProgramSupport
import SandboxModel
import Testing

@Suite("What clients of Modal's SDK send and name")
struct ContentTests {
    @Test("names of environments are told apart, and those of main are as they are")
    func environments() {
        #expect(EnvironmentNames.outer("key", in: "") == "key")
        #expect(EnvironmentNames.outer("key", in: "main") == "key")
        #expect(EnvironmentNames.outer("key", in: "dev") == "dev.key")
        let known: Set = ["main", "dev"]
        for (name, environment, inner) in [
            ("key", "", "key"), ("key", "dev", nil), ("dev.key", "dev", "key"), ("dev.key", "main", nil),
            ("other.key", "main", "other.key"), ("other.key", "dev", nil), ("dev", "dev", nil),
            ("dev.a.b", "dev", "a.b"), ("main.key", "main", "main.key"),
        ] as [(String, String, String?)] {
            #expect(EnvironmentNames.inner(name, in: environment, of: known) == inner, "\(name) in \(environment)")
        }
        for name in ["", "-a", "a.b", "a/b", "ü", String(repeating: "a", count: 64)] {
            #expect(throws: CordonError.self) { try EnvironmentNames.check(name) }
        }
    }

    @Test("a build's log is told from any entry on, keeps characters whole, and forgets the oldest when it is long")
    func log() {
        var log = BuildLog()
        log.add("one\n")
        log.add(Array("grü".utf8.dropLast()))
        log.add(Array("ü".utf8.dropFirst()) + Array("n\n".utf8))
        #expect(log.entries.map(\.text).joined() == "one\ngrün\n")
        #expect(log.entries(after: 1).map(\.text).joined() == "grün\n")
        #expect(log.entries(after: 3).isEmpty)
        for number in 0..<100 { log.add(String(repeating: "\(number % 10)", count: 100_000)) }
        #expect(log.entries.reduce(0) { $0 + $1.text.utf8.count } <= 1 << 20)
        #expect(log.entries.last?.number == 103 && log.entries(after: 102).count == 1)
    }

    @Test("a tree and small files become an archive that tar reads, the small ones last")
    func context() async throws {
        let digest = ContentDigest(bytes: Array(0..<32))
        let long = "/" + String(repeating: "d/", count: 80) + "file"
        let tree = try UploadedTree([
            UploadedTree.File(path: try FilePath("/a.txt"), digest: digest, mode: 0o755),
            UploadedTree.File(path: try FilePath(long), digest: digest, mode: 0o600),
        ])
        let pieces = BuildContextPieces(
            tree, inline: [(try FilePath("/small"), Array("small".utf8)), (try FilePath("/empty"), [])],
            from: OneFile(bytes: Array(repeating: 7, count: 1000)))
        var archive = Data()
        while let piece = try await pieces.next() { archive += piece }
        #expect(archive.count % 512 == 0)
        let path = "/tmp/cordon-context-\(UUID().uuidString).tar"
        try archive.write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (status, listed) = try await HostProgram.result(of: "/bin/tar", ["-tvf", path])
        let lines = listed.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(status == 0)
        #expect(lines.map { $0.last } == ["a.txt", String(long.dropFirst()), "small", "empty"])
        #expect(lines.map { $0[2] } == ["1000", "1000", "5", "0"])
        #expect(lines.map { $0[0] } == ["-rwxr-xr-x", "-rw-------", "-rw-r--r--", "-rw-r--r--"])
    }
}

/// Uploads in which every file has the same content.
private struct OneFile: UploadService {
    let bytes: [UInt8]
    private let none = NoUploads()

    init(bytes: [UInt8]) { self.bytes = bytes }

    func address(of content: ContentAddress) -> String { none.address(of: content) }
    func admit(_ content: ContentAddress, expires: String?, signature: String?) throws(CordonError) {
        try none.admit(content, expires: expires, signature: signature)
    }
    func missing(_ digests: [ContentDigest]) async throws -> [ContentDigest] { [] }
    func take(_ digest: ContentDigest, next: () async throws -> [UInt8]?) async throws {}
    func open(_ digest: ContentDigest) async throws -> any UploadedContent { Content(bytes) }
    func keep(_ tree: UploadedTree) async throws -> TreeID { try await none.keep(tree) }
    func tree(_ id: TreeID) async throws -> UploadedTree { try await none.tree(id) }
    func createBlob(bytes: UInt64) async throws -> BlobUpload { try await none.createBlob(bytes: bytes) }
    func takePart(_ number: Int, of id: BlobID, next: () async throws -> [UInt8]?) async throws -> String {
        try await none.takePart(number, of: id, next: next)
    }
    func complete(_ id: BlobID, tags: [String]) async throws -> String { try await none.complete(id, tags: tags) }
    func open(_ id: BlobID) async throws -> any UploadedContent { try await none.open(id) }

    private actor Content: UploadedContent {
        nonisolated let bytes: UInt64
        private var rest: [UInt8]?

        init(_ content: [UInt8]) { (bytes, rest) = (UInt64(content.count), content) }

        func next() async throws -> [UInt8]? {
            defer { rest = nil }
            return rest
        }
    }
}
