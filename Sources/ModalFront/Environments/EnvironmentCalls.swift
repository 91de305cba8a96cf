import Crypto
import ModalProtocol
import SandboxModel
import SwiftProtobuf

/// Environments: names for parts of what there is.
enum EnvironmentCalls {
    /// The builder whose Dockerfiles every SDK that is served knows, and that are understood here.
    static let builderVersion = "2025.06"
    private static let idPrefix = "en-"

    static func add(to table: inout CallTable) {
        table.unary("EnvironmentGetOrCreate", getOrCreate)
        table.unary("EnvironmentList") { (_: Google_Protobuf_Empty, call) -> ModalEnvironmentListResponse in
            let all = await call.front.content.environments.all
            return .with { $0.items = all.map { item($0) } }
        }
        table.unary("EnvironmentCreate") { (request: ModalEnvironmentCreateRequest, call) in
            try EnvironmentNames.check(request.name)
            let records = call.front.content.environments
            guard await records.find(request.name) == nil else {
                throw CordonError(
                    .alreadyExists, "there is an environment \(request.name) already", field: "name",
                    value: request.name)
            }
            _ = try await records.make(request.name)
            return Google_Protobuf_Empty()
        }
        table.unary("EnvironmentDelete") { (request: ModalEnvironmentDeleteRequest, call) in
            try await call.front.content.environments.remove(request.name)
            return Google_Protobuf_Empty()
        }
        table.unary("EnvironmentUpdate", update)
    }

    static func id(_ name: String) -> String {
        idPrefix + ImageID(digest: Array(SHA256.hash(data: Array(name.utf8)))).text.dropFirst(ImageID.prefix.count)
    }

    @Sendable private static func getOrCreate(
        _ request: ModalEnvironmentGetOrCreateRequest, _ call: Call
    ) async throws -> ModalEnvironmentGetOrCreateResponse {
        let name = EnvironmentNames.resolved(request.deploymentName)
        if request.objectCreationType == .unspecified, await call.front.content.environments.find(name) == nil {
            throw CordonError.noEnvironment(name)
        }
        let record = try await call.front.content.environments.make(name)
        return .with {
            $0.environmentID = id(record.name)
            $0.metadata.name = record.name
            $0.metadata.settings.imageBuilderVersion = builderVersion
        }
    }

    /// Nothing of an environment can be changed; asked for nothing, it answers how it is.
    @Sendable private static func update(
        _ request: ModalEnvironmentUpdateRequest, _ call: Call
    ) async throws -> ModalEnvironmentListItem {
        guard let record = await call.front.content.environments.find(request.currentName) else {
            throw CordonError.noEnvironment(request.currentName)
        }
        guard !request.hasName, !request.hasWebSuffix else {
            throw CordonError.unserved("other names for environments")
        }
        return item(record)
    }

    private static func item(_ record: EnvironmentRecords.Record) -> ModalEnvironmentListItem {
        .with {
            $0.name = record.name
            $0.createdAt = record.createdAt
            $0.default = record.name == EnvironmentNames.main
            $0.environmentID = id(record.name)
        }
    }
}

extension Call {
    /// Throws `notFound` unless there is an environment of that name; none means `main`.
    func requireEnvironment(_ name: String) async throws {
        guard await front.content.environments.find(name) != nil else { throw CordonError.noEnvironment(name) }
    }
}
