import Foundation
import ModalProtocol
import SandboxModel
import SwiftProtobuf

/// Files that a client sends ahead, and the trees that it makes of them.
struct MountCalls: Sendable {
    private static let mostHashes = 10_000

    let uploads: any UploadService
    let pythons: StandalonePythons

    static func add(to table: inout CallTable) {
        table.unary("MountBatchedCheckExistence") { try await $1.front.content.mounts.check($0) }
        table.unary("MountPutFile") { try await $1.front.content.mounts.put($0) }
        table.unary("MountGetOrCreate") { try await $1.front.content.mounts.getOrCreate($0) }
    }

    static func id(_ text: String) throws(CordonError) -> TreeID {
        guard let id = TreeID(text) else {
            throw CordonError(.notFound, "there is no mount \(text.prefix(64))", field: "mount_id", value: text)
        }
        return id
    }

    static func digest(_ hex: String) throws(CordonError) -> ContentDigest {
        guard let digest = ContentDigest("sha256:\(hex)") else {
            throw .invalid(field: "sha256_hex", value: hex, rule: "64 hexadecimal digits in lower case")
        }
        return digest
    }

    private func check(
        _ request: ModalMountBatchedCheckExistenceRequest
    ) async throws -> ModalMountBatchedCheckExistenceResponse {
        guard request.sha256HexHashes.count <= Self.mostHashes else {
            throw CordonError.invalid(
                field: "sha256_hex_hashes", value: "\(request.sha256HexHashes.count)",
                rule: "at most \(Self.mostHashes)")
        }
        let missing = try await uploads.missing(try request.sha256HexHashes.map { try Self.digest($0) })
        return .with {
            $0.missingSha256HexHashes = missing.map(\.hex)
            $0.checkedAt = Google_Protobuf_Timestamp(date: Date())
        }
    }

    private func put(
        _ request: ModalMountPutFileRequest
    ) async throws -> ModalMountPutFileResponse {
        let digest = try Self.digest(request.sha256Hex)
        var isThere = true
        switch request.dataOneof {
        case nil:
            // An empty file is sent as no data at all.
            isThere = try await uploads.missing([digest]).isEmpty
            if !isThere, digest == Self.emptyFile {
                try await uploads.take(digest) { nil }
                isThere = true
            }
        case .data(let data):
            var rest: [UInt8]? = data.isEmpty ? nil : Array(data)
            try await uploads.take(digest) {
                defer { rest = nil }
                return rest
            }
        case .dataBlobID(let text):
            let content = try await uploads.open(try BlobCalls.id(text))
            try await uploads.take(digest) { try await content.next() }
        }
        return .with {
            $0.exists = isThere
            $0.checkedAt = Google_Protobuf_Timestamp(date: Date())
        }
    }

    /// SHA-256 of nothing.
    private static let emptyFile = ContentDigest(
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

    private func getOrCreate(
        _ request: ModalMountGetOrCreateRequest
    ) async throws -> ModalMountGetOrCreateResponse {
        let id: TreeID
        if request.deploymentName.isEmpty {
            id = try await uploads.keep(
                try UploadedTree(
                    try request.files.map { file in
                        UploadedTree.File(
                            path: try FilePath(file.filename, field: "files.filename"),
                            digest: try Self.digest(file.sha256Hex), mode: file.hasMode ? file.mode : 0o644)
                    }))
        } else if let python = try pythons.mount(named: request.deploymentName) {
            id = python
        } else {
            throw CordonError(
                .notFound, "there is no mount \(request.deploymentName.prefix(128)): named mounts aren't kept",
                field: "deployment_name", value: request.deploymentName)
        }
        return .with {
            $0.mountID = id.text
            $0.handleMetadata = ModalMountHandleMetadata()
        }
    }
}
