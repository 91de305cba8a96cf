import ModalProtocol
import SandboxModel

extension SandboxModel.SecretSource {
    /// The secrets that a request names by id, in its order.
    static func all(ids: [String]) throws -> [SandboxModel.SecretSource] {
        try ids.map { .stored(.id(try id($0)), requiredKeys: []) }
    }

    /// The secrets of a request that may also bring variables of its own; later ones hold. Clients that don't know
    /// of that name them by `ids`.
    static func all(_ sources: [ModalSecretSource], orIDs ids: [String]) throws -> [SandboxModel.SecretSource] {
        guard !sources.isEmpty else { return try all(ids: ids) }
        return try sources.compactMap { source in
            switch source.source {
            case .secretID(let text): .stored(.id(try id(text)), requiredKeys: [])
            case .env(let variables): .inline(try Environment(variables.contents))
            case nil: nil
            }
        }
    }

    private static func id(_ text: String) throws(CordonError) -> SecretID {
        guard let id = SecretID(text) else {
            throw CordonError(.notFound, "there is no secret \(text.prefix(64))", field: "secret_ids", value: text)
        }
        return id
    }
}
