public import CordonAPI

extension CordonClient {
    /// The exec id of a sandbox's main command.
    public static let mainCommand = "main"

    /// Starts a command under an id of its own, so that a repeat finds it.
    public func start(_ request: StartExecRequest, in id: String) async throws -> Exec {
        var request = request
        if request.execID == nil { request.execID = "cli-" + Self.newKey() }
        return try await ask(.POST, Self.path(id) + "/execs", request, key: Self.newKey())
    }

    public func exec(_ exec: String, in id: String) async throws -> Exec { try await ask(.GET, Self.path(exec, id)) }

    /// Every exec of a sandbox, oldest first.
    public func execs(in id: String) async throws -> [Exec] {
        let list: ExecList = try await ask(.GET, Self.path(id) + "/execs")
        return list.execs
    }

    /// The exec's result, once it is over.
    public func wait(for exec: String, in id: String) async throws -> EndResult {
        try await waitAt(Self.path(exec, id))
    }

    /// Sends a signal, a number or a name such as `TERM`, once.
    public func signal(_ signal: String, to exec: String, in id: String) async throws {
        let body = try JSONText.encode(SignalRequest(signal: signal))
        try await bytes(.POST, Self.path(exec, id) + "/signal", body, key: Self.newKey())
    }

    /// Tells an exec's terminal its size.
    public func resize(_ exec: String, in id: String, rows: Int, columns: Int) async throws {
        let body = try JSONText.encode(ResizeRequest(rows: rows, cols: columns))
        try await bytes(.POST, Self.path(exec, id) + "/resize", body)
    }
}
