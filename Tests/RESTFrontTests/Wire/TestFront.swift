import Logging
import RESTFront
import SandboxModel
import ServiceLifecycle

/// A verifier that knows one token.
struct FakeVerifier: CallerVerifier {
    func verify(bearer: String) async throws -> Caller {
        guard bearer == "id.secret" else { throw CordonError(.unauthenticated, "no such token") }
        return Caller(tokenID: "id")
    }
}

/// The front over a fake service, on a port of its own, for the length of `body`.
func withFront(
    _ options: RESTFrontOptions = RESTFrontOptions(), service: FakeService = FakeService(),
    _ body: @Sendable (TestFront) async throws -> Void
) async throws {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let front = RESTFront(
        service: service, images: FakeImages(), secrets: service, volumes: FakeVolumes(service), uploads: FakeUploads(),
        verifier: FakeVerifier(),
        bodyHash: { bytes in [UInt8(truncatingIfNeeded: bytes.hashValue)] },
        options: options, furtherRoutes: [.echo], logger: logger)
    let (ports, source) = AsyncStream<Int>.makeStream()
    let server = try front.server(onListening: { source.yield($0) })
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        var iterator = ports.makeAsyncIterator()
        let port = try unwrap(await iterator.next())
        try await body(TestFront(port: port, service: service))
        group.cancelAll()
    }
}

struct TestFront: Sendable {
    let port: Int
    let service: FakeService

    func connect() throws -> WireConnection { try WireConnection(port: port) }

    static func head(
        _ method: String, _ path: String, headers: [String: String] = [:], length: Int? = nil, authorized: Bool = true
    ) -> String {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n"
        if authorized { text += "Authorization: Bearer id.secret\r\n" }
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if let length { text += "Content-Length: \(length)\r\n" }
        return text + "\r\n"
    }

    /// One request on a connection of its own.
    func ask(
        _ method: String, _ path: String, json: String? = nil, body: [UInt8]? = nil, headers: [String: String] = [:],
        authorized: Bool = true
    ) async throws -> WireResponse {
        let connection = try connect()
        defer { connection.shut() }
        return try await Self.ask(
            connection, method, path, json: json, body: body, headers: headers, authorized: authorized)
    }

    static func ask(
        _ connection: WireConnection, _ method: String, _ path: String, json: String? = nil, body: [UInt8]? = nil,
        headers: [String: String] = [:], authorized: Bool = true
    ) async throws -> WireResponse {
        var headers = headers
        if json != nil, headers["Content-Type"] == nil { headers["Content-Type"] = "application/json" }
        let bytes = json.map { Array($0.utf8) } ?? body
        try await connection.send(
            Array(head(method, path, headers: headers, length: bytes?.count, authorized: authorized).utf8)
                + (bytes ?? []))
        return try await connection.receive()
    }

    /// A sandbox made over the wire; its path.
    func makeSandbox(_ json: String = "{}") async throws -> (id: SandboxID, path: String) {
        let response = try await ask("POST", "/v1/sandboxes", json: json)
        let text = try unwrap(try response.json()["id"] as? String, response.text)
        return (try unwrap(SandboxID(text)), "/v1/sandboxes/" + text)
    }

    /// A running exec with these streams; its path.
    func makeExec(
        _ id: SandboxID, named name: String = "e1", terminal: TerminalSpec? = nil, stdout: FakeStream = FakeStream(),
        stderr: FakeStream = FakeStream()
    ) throws -> String {
        let command = try CommandSpec(argv: ["fake"])
        service.add(
            ExecSpec(id: try unwrap(ExecID(name)), command: command, terminal: terminal), to: id, stdout: stdout,
            stderr: stderr)
        return "/v1/sandboxes/\(id)/execs/\(name)"
    }
}

/// Waits for `condition`, and says whether it came about.
func eventually(_ condition: @Sendable () async throws -> Bool) async throws -> Bool {
    for _ in 0..<2500 {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(4))
    }
    return false
}
