import ModalProtocol
import SandboxModel
import SwiftProtobuf

/// Secrets, the same that REST has.
struct SecretCalls: Sendable {
    private static let mostListed = 1000

    let secrets: any SecretService
    let environments: EnvironmentRecords
    let anonymous: AnonymousSecrets

    static func add(to table: inout CallTable) {
        table.unary("SecretGetOrCreate") { try await $1.front.content.secrets.getOrCreate($0, $1) }
        table.unary("SecretList") { try await $1.front.content.secrets.list($0) }
        table.unary("SecretGetInfo", info)
        table.unary("SecretUpdate", update)
        table.unary("SecretDelete") { (request: ModalSecretDeleteRequest, call) in
            try await call.front.secrets.deleteSecret(try reference(request.secretID))
            return Google_Protobuf_Empty()
        }
    }

    @Sendable private static func info(
        _ request: ModalSecretGetInfoRequest, _ call: Call
    ) async throws -> ModalSecretGetInfoResponse {
        let secret = try await call.front.secrets.secret(try reference(request.secretID))
        return .with { $0.metadata = metadata(secret, named: secret.name.text, in: EnvironmentNames.main) }
    }

    /// Of several changes of one variable the last holds.
    @Sendable private static func update(
        _ request: ModalSecretUpdateRequest, _ call: Call
    ) async throws -> Google_Protobuf_Empty {
        var (set, removed): ([String: String], Set<String>) = ([:], [])
        for update in request.updates {
            set[update.key] = update.hasValue ? update.value : nil
            if update.hasValue { removed.remove(update.key) } else { removed.insert(update.key) }
        }
        _ = try await call.front.secrets.changeSecret(
            try reference(request.secretID), SecretChanges(set: try Environment(set), removed: removed))
        return Google_Protobuf_Empty()
    }

    private static func reference(_ text: String) throws(CordonError) -> SecretReference {
        guard let id = SecretID(text) else {
            throw CordonError(.notFound, "there is no secret \(text.prefix(64))", field: "secret_id", value: text)
        }
        return .id(id)
    }

    private func getOrCreate(
        _ request: ModalSecretGetOrCreateRequest, _ call: Call
    ) async throws -> ModalSecretGetOrCreateResponse {
        let policy: ExistingSecretPolicy
        switch request.objectCreationType {
        case .unspecified: return try await find(request)
        case .createIfMissing: policy = .keep
        case .createFailIfExists: policy = .fail
        case .createOverwriteIfExists: policy = .replace
        case .anonymousOwnedByApp, .ephemeral:
            let secret = try await anonymous.keep(try Environment(request.envDict, field: "env_dict"), by: call.caller)
            return Self.answer(secret, named: "", in: request.environmentName)
        case .UNRECOGNIZED(let number):
            throw CordonError.invalid(field: "object_creation_type", value: "\(number)", rule: "from 0 to 5")
        }
        try await require(request.environmentName)
        let name = try SecretName(
            EnvironmentNames.outer(request.deploymentName, in: request.environmentName), field: "deployment_name")
        let secret = try await secrets.createSecret(
            name, try Environment(request.envDict, field: "env_dict"), ifExists: policy, by: call.caller,
            key: try call.key(over: request))
        return Self.answer(secret, named: request.deploymentName, in: request.environmentName)
    }

    private func require(_ environment: String) async throws {
        guard await environments.find(environment) != nil else { throw CordonError.noEnvironment(environment) }
    }

    private func find(
        _ request: ModalSecretGetOrCreateRequest
    ) async throws -> ModalSecretGetOrCreateResponse {
        try await require(request.environmentName)
        let name = try SecretName(
            EnvironmentNames.outer(request.deploymentName, in: request.environmentName), field: "deployment_name")
        let secret = try await secrets.secret(.name(name))
        let missing = request.requiredKeys.filter { !secret.keys.contains($0) }
        guard missing.isEmpty else {
            throw CordonError(
                .notFound,
                "the secret '\(request.deploymentName)' is missing key(s): \(missing.joined(separator: ", "))",
                field: "required_keys", value: missing[0])
        }
        return Self.answer(secret, named: request.deploymentName, in: request.environmentName)
    }

    private static func answer(
        _ secret: SecretSnapshot, named name: String, in environment: String
    ) -> ModalSecretGetOrCreateResponse {
        .with {
            $0.secretID = secret.id.text
            $0.metadata = metadata(secret, named: name, in: environment)
        }
    }

    private static func metadata(
        _ secret: SecretSnapshot, named name: String, in environment: String
    ) -> ModalSecretMetadata {
        .with {
            $0.name = name
            $0.creationInfo.createdAt = secret.createdAt.inSeconds
            $0.keys = secret.keys
            $0.environmentName = EnvironmentNames.resolved(environment)
        }
    }

    /// A full page makes the client ask for another: pages are full unless they are the last.
    private func list(
        _ request: ModalSecretListRequest
    ) async throws -> ModalSecretListResponse {
        try await require(request.environmentName)
        let asked = Int(request.pagination.maxObjects)
        let limit = asked > 0 ? min(asked, Self.mostListed) : Self.mostListed
        var before = request.pagination.createdBefore > 0 ? Timestamp(seconds: request.pagination.createdBefore) : nil
        let known = await environments.names
        var answer = ModalSecretListResponse()
        answer.environmentName = EnvironmentNames.resolved(request.environmentName)
        while true {
            let page = try await secrets.secrets(before: before, limit: Self.mostListed)
            for secret in page.secrets where !AnonymousSecrets.owns(secret.name) {
                guard answer.items.count < limit,
                    let name = EnvironmentNames.inner(secret.name.text, in: request.environmentName, of: known)
                else { continue }
                answer.items.append(
                    .with {
                        $0.label = name
                        $0.createdAt = secret.createdAt.inSeconds
                        $0.environmentName = answer.environmentName
                        $0.secretID = secret.id.text
                        $0.metadata = Self.metadata(secret, named: name, in: request.environmentName)
                    })
            }
            guard answer.items.count < limit, let next = page.next else { return answer }
            before = next
        }
    }
}
