import CordonAPI
import SandboxModel

extension SecretSource {
    /// The sources in a request's field, in their order; none when it is absent or null.
    static func all<Key>(_ fields: FieldReader<Key>, _ key: Key) throws(CordonError) -> [SecretSource] {
        guard let value = fields.value(key) else { return [] }
        let path = fields.field(key)
        guard case .array(let values) = value else {
            throw .invalid(field: path, value: nil, rule: "an array of names, ids and objects, not \(value.kind)")
        }
        guard values.count <= maximumCount else {
            throw .invalid(field: path, value: "\(values.count) secrets", rule: "at most \(maximumCount)")
        }
        var sources: [SecretSource] = []
        for (index, value) in values.enumerated() { sources.append(try Self(json: value, path: "\(path)[\(index)]")) }
        return sources
    }

    private init(json: JSONValue, path: String) throws(CordonError) {
        switch json {
        case .string(let text): self = .stored(try Self.reference(text, field: path), requiredKeys: [])
        case .object:
            let fields = try FieldReader<SecretSourceRequest.CodingKeys>(json, path: path)
            switch (try fields.string(.secret), try fields.pairs(.env)) {
            case (let text?, nil):
                self = .stored(
                    try Self.reference(text, field: fields.field(.secret)), requiredKeys: try Self.keys(fields))
            case (nil, let variables?):
                guard !fields.has(.requiredKeys) else {
                    throw .invalid(field: fields.field(.requiredKeys), value: nil, rule: "only with \"secret\"")
                }
                self = .inline(try Environment(variables, field: fields.field(.env)))
            default: throw .invalid(field: path, value: nil, rule: "either secret or env")
            }
        default:
            throw .invalid(
                field: path, value: nil,
                rule: "a secret's name or id, or an object with secret or env, not \(json.kind)")
        }
    }

    /// A value that was put where a name belongs isn't repeated.
    private static func reference(_ text: String, field: String) throws(CordonError) -> SecretReference {
        do { return try SecretReference(text, field: field) } catch {
            throw .invalid(field: field, value: nil, rule: "a secret's id, or its name: " + (error.rule ?? ""))
        }
    }

    private static func keys(
        _ fields: FieldReader<SecretSourceRequest.CodingKeys>
    ) throws(CordonError) -> [String] {
        let keys = try fields.strings(.requiredKeys) ?? []
        guard keys.count <= SecretSnapshot.maximumKeys, keys.allSatisfy({ $0.utf8.count <= 256 }) else {
            throw .invalid(
                field: fields.field(.requiredKeys), value: "\(keys.count) keys",
                rule: "at most \(SecretSnapshot.maximumKeys) names of at most 256 bytes")
        }
        return keys
    }
}

/// What the body of a creation asks for.
struct SecretCreation {
    var name: SecretName
    var environment: Environment
    var ifExists: ExistingSecretPolicy

    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<CreateSecretRequest.CodingKeys>(json)
        guard let text = try fields.string(.name) else {
            throw .invalid(field: fields.field(.name), value: nil, rule: "the secret's name")
        }
        name = try SecretName(text)
        environment = try Environment(secret: try fields.pairs(.env), field: fields.field(.env))
        ifExists = try fields.choice(.ifExists, of: ExistingSecretPolicy.self) ?? .fail
    }
}

extension Environment {
    /// All variables of a secret, as a `ReplaceSecretRequest`'s body has them.
    init(secret json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<ReplaceSecretRequest.CodingKeys>(json)
        self = try Environment(secret: try fields.pairs(.env), field: fields.field(.env))
    }

    fileprivate init(secret variables: [String: String]?, field: String) throws(CordonError) {
        guard let variables else {
            throw .invalid(field: field, value: nil, rule: "an object of the secret's variables; {} for none")
        }
        guard variables.count <= SecretSnapshot.maximumKeys else {
            throw .invalid(
                field: field, value: "\(variables.count) variables", rule: "at most \(SecretSnapshot.maximumKeys)")
        }
        try self.init(variables, field: field)
    }
}

extension SecretChanges {
    /// The changes of a `ChangeSecretRequest`'s body.
    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<ChangeSecretRequest.CodingKeys>(json)
        let field = fields.field(.env)
        guard case .object(let members) = fields.value(.env) else {
            throw .invalid(field: field, value: nil, rule: "an object of variables, with null for those to remove")
        }
        var variables: [String: String] = [:]
        var removed: Set<String> = []
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            switch value {
            case .string(let text): variables[name] = text
            case .null: removed.insert(name)
            default: throw .invalid(field: "\(field).\(name)", value: nil, rule: "a string or null, not \(value.kind)")
            }
        }
        _ = try Environment(Dictionary(uniqueKeysWithValues: removed.map { ($0, "") }), field: field)
        self.init(set: try Environment(variables, field: field), removed: removed)
    }
}
