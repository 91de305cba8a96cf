import ModalProtocol
import SandboxModel

/// Large contents, which clients send and fetch over HTTP at signed addresses.
struct BlobCalls: Sendable {
    let uploads: any UploadService
    /// The address of the REST port, without a slash at its end.
    let address: @Sendable () throws -> String

    static func add(to table: inout CallTable) {
        table.unary("BlobCreate") { try await $1.front.content.blobs.create($0) }
        table.unary("BlobGet") { try await $1.front.content.blobs.get($0) }
    }

    static func id(_ text: String) throws(CordonError) -> BlobID {
        guard let id = BlobID(text) else {
            throw CordonError(.notFound, "there is no blob \(text.prefix(64))", field: "blob_id", value: text)
        }
        return id
    }

    private func url(_ content: ContentAddress) throws -> String { try address() + uploads.address(of: content) }

    private func get(_ request: ModalBlobGetRequest) async throws -> ModalBlobGetResponse {
        let id = try Self.id(request.blobID)
        _ = try await uploads.open(id)
        return try .with { $0.downloadURL = try url(.blob(id)) }
    }

    /// Always in parts, be it one: what is sent in one piece some clients send to known hosts alone.
    private func create(
        _ request: ModalBlobCreateRequest
    ) async throws -> ModalBlobCreateResponse {
        guard let bytes = UInt64(exactly: request.contentLength) else {
            throw CordonError.invalid(field: "content_length", value: "\(request.contentLength)", rule: "at least 0")
        }
        let upload = try await uploads.createBlob(bytes: bytes)
        let parts = try ModalMultiPartUpload.with {
            $0.partLength = Int64(max(1, min(bytes, BlobUpload.partBytes)))
            $0.uploadUrls = try (1...upload.parts).map { try url(.part(upload.id, number: $0)) }
            $0.completionURL = try url(.completion(upload.id))
        }
        return .with {
            $0.blobIds = [upload.id.text]
            $0.multiparts = .with { $0.items = [parts] }
        }
    }
}
