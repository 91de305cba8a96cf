import FoundationEssentials
import ModalProtocol
import SandboxModel
import SwiftProtobuf

/// Images that sandboxes become, and that are shown inside of them.
struct SnapshotCalls {
    func add(to table: inout CallTable) {
        table.unary("SandboxSnapshotFs", snapshotOfOld)
        table.unary("TaskSnapshotFilesystem", of: .router, snapshot)
        table.unary("TaskSnapshotDirectory", of: .router, snapshotDirectory)
        table.unary("TaskMountDirectory", of: .router, mount)
        table.unary("TaskUnmountDirectory", of: .router, unmount)
        table.unary("TaskReloadVolumes", of: .router) { (request: ModalTaskReloadVolumesRequest, call) in
            try await call.front.content.volumes.volumes.reloadVolumes(
                of: call.container(request.containerID, ofTask: request.taskID))
            return ModalTaskReloadVolumesResponse()
        }
        table.unary("ContainerReloadVolumes") { (request: ModalContainerReloadVolumesRequest, call) in
            try await call.front.content.volumes.volumes.reloadVolumes(of: call.sandbox(ofTask: request.taskID))
            return ModalContainerReloadVolumesResponse()
        }
    }

    @Sendable private func snapshotOfOld(
        _ request: ModalSandboxSnapshotFsRequest, _ call: Call
    ) async throws -> ModalSandboxSnapshotFsResponse {
        let id = try call.sandboxID(request.sandboxID)
        let key = try call.key(over: request)
        let image = try await call.service.snapshot(id, SnapshotOrder(key: key?.key))
        return .with {
            $0.imageID = image.id.text
            $0.result.status = .success
        }
    }

    @Sendable private func snapshot(
        _ request: ModalTaskSnapshotFilesystemRequest, _ call: Call
    ) async throws -> ModalTaskSnapshotFilesystemResponse {
        try Self.requireServed(key: request.customerSuppliedEncryptionKey)
        let order = SnapshotOrder(
            timeToLive: try Self.lifetime(request.hasTtlSeconds ? request.ttlSeconds : nil),
            key: try Self.key(request.snapshotID))
        let image = try await call.service.snapshot(
            call.container(request.containerID, ofTask: request.taskID), order)
        return .with { $0.imageID = image.id.text }
    }

    @Sendable private func snapshotDirectory(
        _ request: ModalTaskSnapshotDirectoryRequest, _ call: Call
    ) async throws -> ModalTaskSnapshotDirectoryResponse {
        try Self.requireServed(key: request.customerSuppliedEncryptionKey)
        let order = SnapshotOrder(
            path: try Self.path(request.path),
            timeToLive: try Self.lifetime(request.hasTtlSeconds ? request.ttlSeconds : nil),
            key: try Self.key(request.snapshotID))
        let image = try await call.service.snapshot(
            call.container(request.containerID, ofTask: request.taskID), order)
        return .with { $0.imageID = image.id.text }
    }

    @Sendable private func mount(
        _ request: ModalTaskMountDirectoryRequest, _ call: Call
    ) async throws -> Google_Protobuf_Empty {
        try Self.requireServed(key: request.customerSuppliedEncryptionKey)
        let image = request.imageID.isEmpty ? nil : try await call.front.content.planner.name(of: request.imageID)
        try await call.service.mount(
            MountOrder(path: try Self.path(request.path), image: image),
            in: call.container(request.containerID, ofTask: request.taskID))
        return Google_Protobuf_Empty()
    }

    @Sendable private func unmount(
        _ request: ModalTaskUnmountDirectoryRequest, _ call: Call
    ) async throws -> Google_Protobuf_Empty {
        try await call.service.unmount(
            try Self.path(request.path), in: call.container(request.containerID, ofTask: request.taskID))
        return Google_Protobuf_Empty()
    }

    private static func requireServed(key: Data) throws(CordonError) {
        if !key.isEmpty { throw .unserved("encryption keys of a client's own") }
    }

    private static func path(_ bytes: Data) throws(CordonError) -> FilePath {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .invalid(field: "path", value: nil, rule: "UTF-8")
        }
        return try FilePath(text)
    }

    /// nil for one that is kept for good, which clients say by -1.
    private static func lifetime(_ seconds: Int64?) throws(CordonError) -> Duration? {
        guard let seconds, seconds != -1 else { return nil }
        guard seconds > 0, .seconds(seconds) <= SnapshotOrder.maximumTimeToLive else {
            throw .invalid(
                field: "ttl_seconds", value: "\(seconds)",
                rule: "1–\(Int(SnapshotOrder.maximumTimeToLive.inSeconds)), or -1 for no end")
        }
        return .seconds(seconds)
    }

    /// nil where the client has none.
    private static func key(_ text: String) throws(CordonError) -> String? {
        guard !text.isEmpty else { return nil }
        guard SnapshotOrder.keyBytes.contains(text.utf8.count) else {
            throw .invalid(
                field: "snapshot_id", value: text, rule: "at most \(SnapshotOrder.keyBytes.upperBound) bytes")
        }
        return text
    }
}
