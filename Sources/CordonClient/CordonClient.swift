public import CordonAPI
import NIOCore
import NIOHTTP1

/// The REST API, call by call. Each call is tried again while the service can't be reached, up to
/// `patience`: a restart of the service is no more than a pause. POSTs carry keys that make that safe.
public struct CordonClient: Sendable {
    let transport: HTTPTransport
    private let authorization: String
    /// How long a call goes on trying without any progress.
    public var patience: Duration = .seconds(30)

    public init(_ credentials: Credentials) throws(ClientError) {
        transport = try HTTPTransport(url: credentials.url, caCertificate: credentials.caCertificate)
        authorization = "Bearer \(credentials.tokenID).\(credentials.tokenSecret)"
    }

    // MARK: Sandboxes

    public func create(_ request: CreateSandboxRequest) async throws -> Sandbox {
        try await ask(.POST, "/v1/sandboxes", request, key: Self.newKey())
    }

    public func sandbox(_ id: String) async throws -> Sandbox {
        try await ask(.GET, "/v1/sandboxes/\(Self.escape(id))")
    }

    public func sandbox(named name: String, in app: String) async throws -> Sandbox {
        try await ask(.GET, "/v1/apps/\(Self.escape(app))/sandboxes/\(Self.escape(name))")
    }

    /// One page; `parameters` as in the contract.
    public func sandboxes(_ parameters: [(String, String)] = []) async throws -> SandboxList {
        let query = parameters.map { "\(Self.escape($0))=\(Self.escape($1))" }.joined(separator: "&")
        return try await ask(.GET, "/v1/sandboxes" + (query.isEmpty ? "" : "?\(query)"))
    }

    @discardableResult
    public func terminate(_ id: String) async throws -> Sandbox {
        try await ask(.DELETE, "/v1/sandboxes/\(Self.escape(id))")
    }

    /// The sandbox's result, once it is over.
    public func wait(for id: String) async throws -> EndResult { try await waitAt("/v1/sandboxes/\(Self.escape(id))") }

    // MARK: Execs

    /// Starts a command under an id of its own, so that a repeat finds it.
    public func start(_ request: StartExecRequest, in id: String) async throws -> Exec {
        var request = request
        if request.execID == nil { request.execID = "cli-" + Self.newKey() }
        return try await ask(.POST, "/v1/sandboxes/\(Self.escape(id))/execs", request, key: Self.newKey())
    }

    public func wait(for exec: String, in id: String) async throws -> EndResult {
        try await waitAt(Self.path(exec, id))
    }

    public func signal(_ signal: String, to exec: String, in id: String) async throws {
        _ = try await bytes(.POST, Self.path(exec, id) + "/signal", JSONText.encode(SignalRequest(signal: signal)))
    }

    /// Writes to stdin at `offset`; returns how far it has got.
    public func writeStdin(_ body: [UInt8], at offset: UInt64, eof: Bool, to exec: String, in id: String) async throws
        -> Stdin
    {
        let path = Self.path(exec, id) + "/stdin?offset=\(offset)&eof=\(eof)"
        return try JSONText.decode(
            Stdin.self, from: try await bytes(.POST, path, body, type: "application/octet-stream"))
    }

    /// One page of an exec's output with times.
    public func logs(of exec: String, in id: String, since: APITime? = nil, limit: Int = 1000) async throws -> LogList {
        let from = since.map { "&since=\(Self.escape("\($0)"))" } ?? ""
        return try await ask(.GET, Self.path(exec, id) + "/logs?limit=\(limit)\(from)")
    }

    // MARK: How

    static func path(_ exec: String, _ id: String) -> String { "/v1/sandboxes/\(escape(id))/execs/\(escape(exec))" }

    static func newKey() -> String {
        var generator = SystemRandomNumberGenerator()
        return String(UInt64.random(in: 0...UInt64.max, using: &generator), radix: 36)
            + String(UInt64.random(in: 0...UInt64.max, using: &generator), radix: 36)
    }

    static func escape(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                escaped += "%" + (hex.count < 2 ? "0" : "") + hex
            }
        }
        return escaped
    }

    private func waitAt(_ path: String) async throws -> EndResult {
        while true {
            let answer: WaitResponse = try await ask(.GET, path + "/wait?timeout_seconds=30")
            if let result = answer.result { return result }
        }
    }

    private func ask<Answer: Decodable>(_ method: HTTPMethod, _ path: String) async throws -> Answer {
        try JSONText.decode(Answer.self, from: try await bytes(method, path, []))
    }

    private func ask<Answer: Decodable>(
        _ method: HTTPMethod, _ path: String, _ request: some Encodable, key: String
    ) async throws -> Answer {
        try JSONText.decode(Answer.self, from: try await bytes(method, path, JSONText.encode(request), key: key))
    }

    private func bytes(
        _ method: HTTPMethod, _ path: String, _ body: [UInt8], type: String = "application/json", key: String? = nil
    ) async throws -> [UInt8] {
        var call = self.call(method, path)
        call.body = body
        if !body.isEmpty { call.headers.append(("Content-Type", type)) }
        if let key { call.headers.append((HeaderNames.idempotencyKey, key)) }
        var retrying = Retrying(patience: patience)
        while true {
            do {
                var collected: [UInt8] = []
                var status = 0
                _ = try await transport.send(
                    call, onHead: { status = $0.status }, onBody: { collected.append(contentsOf: $0.readableBytesView) }
                )
                if (200..<300).contains(status) { return collected }
                throw Self.refusal(status, collected)
            } catch { try await retrying.pause(after: error) }
        }
    }

    func call(_ method: HTTPMethod, _ path: String) -> HTTPCall {
        HTTPCall(method: method, path: path, headers: [("Authorization", authorization)])
    }

    static func refusal(_ status: Int, _ body: [UInt8]) -> ClientError {
        guard let problem = try? JSONText.decode(Problem.self, from: body) else {
            return .unexpected("status \(status): \(String(decoding: body.prefix(200), as: UTF8.self))")
        }
        return .refused(problem)
    }
}

/// When a failed call is tried again: lost connections and 503, with growing pauses, for a while.
struct Retrying {
    let patience: Duration
    private var firstFailure: ContinuousClock.Instant?
    private var delay: Duration = .milliseconds(50)

    init(patience: Duration) { self.patience = patience }

    /// Something worked: the patience starts anew.
    mutating func progressed() {
        firstFailure = nil
        delay = .milliseconds(50)
    }

    /// Waits before the next try; throws when there is to be none.
    mutating func pause(after error: any Error) async throws {
        let reason: String
        switch error {
        case let lost as ConnectionLost: reason = lost.reason
        case ClientError.refused(let problem) where problem.status == 503: reason = problem.detail
        default: throw error
        }
        let start = firstFailure ?? .now
        firstFailure = start
        guard ContinuousClock.now - start < patience else { throw ClientError.unreachable(reason) }
        try await Task.sleep(for: delay)
        delay = min(delay * 2, .seconds(2))
    }
}
