public import CordonAPI

extension CordonClient {
    public func create(_ request: CreateSandboxRequest) async throws -> Sandbox {
        try await ask(.POST, "/v1/sandboxes", request, key: Self.newKey())
    }

    /// Creates a sidecar of the sandbox with that id.
    public func create(_ request: CreateSandboxRequest, besides main: String) async throws -> Sandbox {
        try await ask(.POST, Self.path(main) + "/sidecars", request, key: Self.newKey())
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

    /// One page of sandboxes, or of the sidecars of the one with that id; `parameters` as in the contract.
    public func sandboxes(_ parameters: [(String, String)] = [], besides main: String? = nil) async throws
        -> SandboxList
    {
        let query = parameters.map { "\(Self.escape($0))=\(Self.escape($1))" }.joined(separator: "&")
        let path = main.map { Self.path($0) + "/sidecars" } ?? "/v1/sandboxes"
        return try await ask(.GET, path + (query.isEmpty ? "" : "?\(query)"))
    }

    /// Changes the lifetime, the idle timeout, or both.
    public func update(_ id: String, _ request: UpdateSandboxRequest) async throws -> Sandbox {
        try await ask(.PATCH, Self.path(id), request)
    }

    /// Replaces the whole set of tags.
    public func replaceTags(of id: String, with tags: [String: String]) async throws -> Sandbox {
        try await ask(.PUT, Self.path(id) + "/tags", ReplaceTagsRequest(tags: tags))
    }

    /// Replaces the whole network policy.
    public func replaceNetwork(of id: String, with policy: ReplaceNetworkRequest) async throws -> Sandbox {
        try await ask(.PUT, Self.path(id) + "/network", policy)
    }

    @discardableResult
    public func terminate(_ id: String) async throws -> Sandbox { try await ask(.DELETE, Self.path(id)) }

    /// Where the sandbox's ports are reached.
    public func tunnels(of id: String) async throws -> [Tunnel] {
        let list: TunnelList = try await ask(.GET, Self.path(id) + "/tunnels")
        return list.tunnels
    }

    /// The certificate of the CA that vouches for encrypted tunnels, as PEM.
    public func tunnelAuthority() async throws -> String {
        String(decoding: try await bytes(.GET, "/v1/ca", []), as: UTF8.self)
    }

    /// Returns once the sandbox is ready.
    public func waitReady(_ id: String) async throws {
        while true {
            let answer: ReadyResponse = try await ask(.GET, Self.path(id) + "/wait-ready?timeout_seconds=55")
            if answer.ready { return }
        }
    }

    /// The sandbox's result, once it is over.
    public func wait(for id: String) async throws -> EndResult { try await waitAt(Self.path(id)) }
}
