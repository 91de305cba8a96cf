public import CordonAPI

extension CordonClient {
    public func create(_ request: CreateSandboxRequest) async throws -> Sandbox {
        try await ask(.POST, "/v1/sandboxes", request, key: Self.newKey())
    }

    /// The sandbox behind an id, or the running one behind a name.
    public func sandbox(_ reference: SandboxReference) async throws -> Sandbox {
        switch reference {
        case .id(let id): try await ask(.GET, Self.path(id))
        case .name(let name, let app):
            try await ask(.GET, "/v1/apps/\(Self.escape(app))/sandboxes/\(Self.escape(name))")
        }
    }

    /// The id behind an id, which isn't checked, or behind the name of a running sandbox.
    public func identify(_ reference: SandboxReference) async throws -> String {
        if case .id(let id) = reference { return id }
        return try await sandbox(reference).id
    }

    /// One page; `parameters` as in the contract.
    public func sandboxes(_ parameters: [(String, String)] = []) async throws -> SandboxList {
        let query = parameters.map { "\(Self.escape($0))=\(Self.escape($1))" }.joined(separator: "&")
        return try await ask(.GET, "/v1/sandboxes" + (query.isEmpty ? "" : "?\(query)"))
    }

    /// Changes the lifetime, the idle timeout, or both.
    public func update(_ id: String, _ request: UpdateSandboxRequest) async throws -> Sandbox {
        try await ask(.PATCH, Self.path(id), request)
    }

    /// Replaces the whole set of tags.
    public func replaceTags(of id: String, with tags: [String: String]) async throws -> Sandbox {
        try await ask(.PUT, Self.path(id) + "/tags", ReplaceTagsRequest(tags: tags))
    }

    @discardableResult
    public func terminate(_ id: String) async throws -> Sandbox { try await ask(.DELETE, Self.path(id)) }

    /// The sandbox's result, once it is over.
    public func wait(for id: String) async throws -> EndResult { try await waitAt(Self.path(id)) }
}
