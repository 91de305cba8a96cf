import SandboxModel

/// Uploads that are thrown away; every address is good that is signed `good`.
struct FakeUploads: UploadService {
    func address(of content: ContentAddress) -> String { content.path + "?expires=1&signature=good" }

    func admit(_ content: ContentAddress, expires: String?, signature: String?) throws(CordonError) {
        guard signature == "good" else { throw CordonError(.permissionDenied, "not signed", field: "signature") }
    }

    func missing(_ digests: [ContentDigest]) async throws -> [ContentDigest] { digests }
    func take(_ digest: ContentDigest, next: () async throws -> [UInt8]?) async throws {
        while try await next() != nil {}
    }
    func open(_ digest: ContentDigest) async throws -> any UploadedContent { FakeContent() }
    func keep(_ tree: UploadedTree) async throws -> TreeID { .mint() }
    func tree(_ id: TreeID) async throws -> UploadedTree { try UploadedTree([]) }
    func createBlob(bytes: UInt64) async throws -> BlobUpload { BlobUpload(id: .mint(), bytes: bytes) }
    func takePart(_ number: Int, of id: BlobID, next: () async throws -> [UInt8]?) async throws -> String {
        while try await next() != nil {}
        return String(repeating: "0", count: 32)
    }
    func complete(_ id: BlobID, tags: [String]) async throws -> String {
        guard tags.count == 1 else { throw CordonError.invalid(field: "body", value: nil, rule: "one part") }
        return tags[0] + "-1"
    }
    func open(_ id: BlobID) async throws -> any UploadedContent { FakeContent() }
}

/// Nothing at all.
struct FakeContent: UploadedContent {
    let bytes: UInt64 = 0
    func next() async throws -> [UInt8]? { nil }
}
