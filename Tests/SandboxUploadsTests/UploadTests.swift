import Crypto
import Foundation
import Logging
import SandboxModel
import SandboxUploads
import Testing

@Suite("Uploads")
struct UploadTests {
    private func store(_ directory: String, _ limits: UploadLimits = UploadLimits()) throws -> UploadStore {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let key = SymmetricKey(data: Array(repeating: UInt8(7), count: 32))
        return try UploadStore(
            directory: directory, limits: limits,
            sign: { Array(HMAC<SHA256>.authenticationCode(for: $0, using: key)) }, logger: logger)
    }

    private func withDirectory(_ body: (String) async throws -> Void) async throws {
        let directory = "/tmp/cordon-uploads-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(directory)
    }

    private func limits(_ change: (inout UploadLimits) -> Void) -> UploadLimits {
        var limits = UploadLimits()
        limits.reserveBytes = 0
        change(&limits)
        return limits
    }

    /// Gives bytes in pieces.
    private func pieces(_ bytes: [UInt8], of size: Int = 1000) -> () async throws -> [UInt8]? {
        var rest = bytes[...]
        return {
            guard !rest.isEmpty else { return nil }
            defer { rest = rest.dropFirst(size) }
            return Array(rest.prefix(size))
        }
    }

    private func digest(_ bytes: [UInt8]) -> ContentDigest { ContentDigest(bytes: SHA256.hash(data: bytes)) }

    private func all(_ content: any UploadedContent) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try await content.next() { bytes += piece }
        #expect(UInt64(bytes.count) == content.bytes)
        return bytes
    }

    private func refusal(_ work: () async throws -> Void) async -> CordonError? {
        do {
            try await work()
            return nil
        } catch { return error as? CordonError }
    }

    @Test("a file is kept under its digest, outlives the process, and another's content is refused")
    func files() async throws {
        try await withDirectory { directory in
            let store = try store(directory)
            let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0) }
            #expect(try await store.missing([digest(bytes)]) == [digest(bytes)])
            try await store.take(digest(bytes), next: pieces(bytes))
            try await store.take(digest(bytes), next: pieces(bytes))
            let wrong = await refusal { try await store.take(digest([1]), next: pieces(bytes)) }
            #expect(wrong?.code == .invalidArgument)
            let again = try self.store(directory)
            #expect(try await again.missing([digest(bytes), digest([1])]) == [digest([1])])
            #expect(try await all(again.open(digest(bytes))) == bytes)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/files").count == 1)
        }
    }

    @Test("a blob of several parts comes in any order, is completed with their tags, and reads as one")
    func blobs() async throws {
        try await withDirectory { directory in
            let store = try store(directory)
            let size = Int(BlobUpload.partBytes)
            let bytes = [UInt8](repeating: 1, count: size) + [UInt8](repeating: 2, count: 5)
            let upload = try await store.createBlob(bytes: UInt64(bytes.count))
            #expect(upload.parts == 2 && upload.bytes(ofPart: 2) == 5 && upload.bytes(ofPart: 3) == nil)
            let second = try await store.takePart(2, of: upload.id, next: pieces(Array(bytes[size...])))
            _ = try await store.takePart(
                1, of: upload.id, next: pieces([UInt8](repeating: 9, count: size), of: 1 << 20))
            let first = try await store.takePart(1, of: upload.id, next: pieces(Array(bytes[..<size]), of: 1 << 20))
            #expect(second == Insecure.MD5.hash(data: bytes[size...]).map { String(format: "%02x", $0) }.joined())
            for tags in [[first], [second, first], [first, first]] {
                #expect(await refusal { _ = try await store.complete(upload.id, tags: tags) }?.code == .invalidArgument)
            }
            #expect(await refusal { _ = try await store.open(upload.id) }?.code == .failedPrecondition)
            let parts = Array(Insecure.MD5.hash(data: bytes[..<size])) + Array(Insecure.MD5.hash(data: bytes[size...]))
            let whole = Insecure.MD5.hash(data: parts).map { String(format: "%02x", $0) }.joined()
            #expect(try await store.complete(upload.id, tags: [first, second]) == whole + "-2")
            #expect(try await all(self.store(directory).open(upload.id)) == bytes)
            let late = await refusal { _ = try await store.takePart(2, of: upload.id, next: pieces([0])) }
            #expect(late?.code == .failedPrecondition)
        }
    }

    @Test("a part of another length is refused, and leaves nothing")
    func lengths() async throws {
        try await withDirectory { directory in
            let store = try store(directory, limits { $0.totalBytes = 20 })
            let upload = try await store.createBlob(bytes: 10)
            for size in [9, 11, 0] {
                let bytes = [UInt8](repeating: 0, count: size)
                #expect(await refusal { _ = try await store.takePart(1, of: upload.id, next: pieces(bytes)) } != nil)
            }
            #expect(await refusal { _ = try await store.takePart(2, of: upload.id, next: pieces([])) } != nil)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: "\(directory)/blobs/\(upload.id)") == ["length"])
            _ = try await store.takePart(1, of: upload.id, next: pieces([UInt8](repeating: 0, count: 10)))
            #expect(await refusal { _ = try await store.createBlob(bytes: 1 << 60) }?.code == .invalidArgument)
        }
    }

    @Test("all uploads together are bounded, in bytes and in number, also after a restart, and room comes back")
    func bounds() async throws {
        try await withDirectory { directory in
            let tight = limits {
                ($0.totalBytes, $0.count) = (100, 3)
                $0.fileTime = .seconds(-5)
            }
            let store = try store(directory, tight)
            let (one, two) = ([UInt8](repeating: 1, count: 60), [UInt8](repeating: 2, count: 60))
            try await store.take(digest(one), next: pieces(one))
            for store in [store, try self.store(directory, tight)] {
                let refused = await refusal { try await store.take(digest(two), next: pieces(two)) }
                #expect(refused?.code == .resourceExhausted)
            }
            _ = try await store.createBlob(bytes: 1)
            _ = try await store.createBlob(bytes: 1)
            #expect(await refusal { _ = try await store.createBlob(bytes: 1) }?.code == .resourceExhausted)
            #expect(try store.collect(at: .now()) == 1)
            try await store.take(digest(two), next: pieces(two))
        }
    }

    @Test("files put together have one id for the same files at the same paths, and are found after a restart")
    func trees() async throws {
        try await withDirectory { directory in
            let store = try store(directory)
            let files = [[UInt8]("a".utf8), [UInt8]("b".utf8)]
            let tree = try UploadedTree([
                UploadedTree.File(path: try FilePath("/z/with space"), digest: digest(files[1]), mode: 0o100755),
                UploadedTree.File(path: try FilePath("/a"), digest: digest(files[0]), mode: 0o644),
            ])
            #expect(tree.files.map(\.path.text) == ["/a", "/z/with space"] && tree.files[1].mode == 0o755)
            #expect(await refusal { _ = try await store.keep(tree) }?.code == .failedPrecondition)
            for file in files { try await store.take(digest(file), next: pieces(file)) }
            let id = try await store.keep(tree)
            #expect(try await store.keep(UploadedTree(tree.files.reversed())) == id)
            let again = try self.store(directory)
            #expect(try await again.tree(id) == tree)
            #expect(await refusal { _ = try await again.tree(.mint()) }?.code == .notFound)
        }
    }

    @Test("what was on its way when the service died is gone after the next start")
    func leftOvers() async throws {
        try await withDirectory { directory in
            let upload = try await store(directory).createBlob(bytes: 1)
            for path in ["files/x.part", "blobs/\(upload.id)/1-x.part"] {
                FileManager.default.createFile(atPath: "\(directory)/\(path)", contents: Data([1]))
            }
            _ = try store(directory)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/files").isEmpty)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: "\(directory)/blobs/\(upload.id)") == ["length"])
        }
    }

    @Test("an address is for what it was given out for, until it expires, and for no other")
    func addresses() async throws {
        try await withDirectory { directory in
            let store = try store(directory)
            let content = ContentAddress.part(.mint(), number: 1)
            let query = try #require(
                URLComponents(string: "http://x" + store.address(of: content))?.queryItems?.reduce(into: [:]) {
                    $0[$1.name] = $1.value
                } as [String: String]?)
            let (expires, signature) = (query["expires"], query["signature"])
            try store.admit(content, expires: expires, signature: signature)
            let others: [ContentAddress] = [.part(.mint(), number: 1), .blob(.mint()), .completion(.mint())]
            for other in others {
                #expect(throws: CordonError.self) { try store.admit(other, expires: expires, signature: signature) }
            }
            for (expires, signature) in [
                ("9\(expires ?? "")", signature), (expires, nil), (nil, signature), (expires, (signature ?? "") + "A"),
            ] {
                #expect(throws: CordonError.self) { try store.admit(content, expires: expires, signature: signature) }
            }
            let short = try self.store(directory, limits { $0.addressTime = .seconds(-1) })
            let old = try #require(URLComponents(string: "http://x" + short.address(of: content))?.queryItems)
            #expect(throws: CordonError.self) {
                try short.admit(content, expires: old[0].value, signature: old[1].value)
            }
        }
    }
}
