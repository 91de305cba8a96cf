import GRPCCore
import ModalProtocol
import SandboxModel
import SwiftProtobuf

/// Volumes, the same that REST has. Both of the protocol's families of calls work on one kind.
struct VolumeCalls: Sendable {
    private static let mostListed = 1000

    let volumes: any VolumeService
    let uploads: any UploadService
    let environments: EnvironmentRecords
    let passing: PassingVolumes
    let families: VolumeFamilies
    /// The address of the REST port, without a slash at its end.
    let address: @Sendable () throws -> String

    static func add(to table: inout CallTable) {
        table.unary("VolumeGetOrCreate") { try await $1.front.content.volumes.getOrCreate($0, $1) }
        table.unary("VolumeGetById") { (request: ModalVolumeGetByIdRequest, call) -> ModalVolumeGetByIdResponse in
            let room = call.front.content.volumes
            let volume = try await room.volumes.volume(try reference(request.volumeID))
            let metadata = await room.metadata(volume, named: volume.name.text)
            return .with {
                $0.volumeID = volume.id.text
                $0.metadata = metadata
            }
        }
        table.unary("VolumeList") { try await $1.front.content.volumes.list($0) }
        table.unary("VolumeHeartbeat") { (request: ModalVolumeHeartbeatRequest, call) in
            await call.front.content.volumes.passing.beat(try reference(request.volumeID))
            return Google_Protobuf_Empty()
        }
        table.unary("VolumeDelete") { (request: ModalVolumeDeleteRequest, call) in
            try await call.front.content.volumes.volumes.deleteVolume(try reference(request.volumeID))
            return Google_Protobuf_Empty()
        }
        table.unary("VolumeRename") { (request: ModalVolumeRenameRequest, call) in
            _ = try await call.front.content.volumes.volumes.renameVolume(
                try reference(request.volumeID), to: try VolumeName(request.name))
            return Google_Protobuf_Empty()
        }
        // Outside of a sandbox every change is published when it is answered, and what is read is the latest.
        table.unary("VolumeCommit") { (request: ModalVolumeCommitRequest, call) -> ModalVolumeCommitResponse in
            _ = try await call.front.content.volumes.volumes.volume(try reference(request.volumeID))
            return .with { $0.skipReload = true }
        }
        table.unary("VolumeReload") { (request: ModalVolumeReloadRequest, call) in
            _ = try await call.front.content.volumes.volumes.volume(try reference(request.volumeID))
            return Google_Protobuf_Empty()
        }
        addFiles(to: &table)
    }

    static func reference(_ text: String) throws(CordonError) -> VolumeReference {
        guard let id = VolumeID(text) else {
            throw CordonError(.notFound, "there is no volume \(text.prefix(64))", field: "volume_id", value: text)
        }
        return .id(id)
    }

    // MARK: Volumes

    private func getOrCreate(
        _ request: ModalVolumeGetOrCreateRequest, _ call: Call
    ) async throws -> ModalVolumeGetOrCreateResponse {
        guard await environments.find(request.environmentName) != nil else {
            throw CordonError.noEnvironment(request.environmentName)
        }
        let volume: VolumeSnapshot
        if request.objectCreationType == .ephemeral {
            volume = try await passing.make(by: call.caller)
        } else {
            let name = try VolumeName(
                EnvironmentNames.outer(request.deploymentName, in: request.environmentName), field: "deployment_name")
            switch request.objectCreationType {
            case .unspecified: volume = try await volumes.volume(.name(name))
            case .createIfMissing, .createFailIfExists:
                volume = try await volumes.createVolume(
                    name, ifExists: request.objectCreationType == .createIfMissing ? .keep : .fail, by: call.caller,
                    key: try call.key(over: request))
            default:
                throw CordonError.invalid(
                    field: "object_creation_type", value: "\(request.objectCreationType.rawValue)",
                    rule: "one of look-up, create and ephemeral")
            }
        }
        try await families.settle(volume.id, on: request.version)
        let metadata = await metadata(volume, named: request.deploymentName)
        return .with {
            $0.volumeID = volume.id.text
            $0.version = metadata.version
            $0.metadata = metadata
        }
    }

    private func metadata(_ volume: VolumeSnapshot, named name: String) async -> ModalVolumeMetadata {
        let family = await families.family(of: volume.id)
        return .with {
            $0.version = family
            $0.name = name
            $0.creationInfo.createdAt = volume.createdAt.inSeconds
        }
    }

    private func list(_ request: ModalVolumeListRequest) async throws -> ModalVolumeListResponse {
        guard await environments.find(request.environmentName) != nil else {
            throw CordonError.noEnvironment(request.environmentName)
        }
        let asked = Int(request.pagination.maxObjects)
        let limit = asked > 0 ? min(asked, Self.mostListed) : Self.mostListed
        var before = request.pagination.createdBefore > 0 ? Timestamp(seconds: request.pagination.createdBefore) : nil
        let known = await environments.names
        var answer = ModalVolumeListResponse()
        answer.environmentName = EnvironmentNames.resolved(request.environmentName)
        while true {
            let page = try await volumes.volumes(before: before, limit: Self.mostListed)
            for volume in page.volumes where !PassingVolumes.owns(volume.name) {
                guard answer.items.count < limit,
                    let name = EnvironmentNames.inner(volume.name.text, in: request.environmentName, of: known)
                else { continue }
                let metadata = await metadata(volume, named: name)
                answer.items.append(
                    .with {
                        $0.label = name
                        $0.volumeID = volume.id.text
                        $0.createdAt = volume.createdAt.inSeconds
                        $0.metadata = metadata
                    })
            }
            guard answer.items.count < limit, let next = page.next else { return answer }
            before = next
        }
    }
}
