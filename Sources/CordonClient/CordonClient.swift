import CordonAPI
import NIOCore
import NIOHTTP1

/// The REST API, call by call. Each call is tried again while the service can't be reached, up to
/// `patience`: a restart of the service is no more than a pause. Whatever changes something carries a
/// key that makes that safe.
public struct CordonClient: Sendable {
    let transport: HTTPTransport
    private let authorization: String
    /// How long a call goes on trying without any progress.
    public var patience: Duration = .seconds(30)

    public init(_ credentials: Credentials) throws(ClientError) {
        transport = try HTTPTransport(url: credentials.url, caCertificate: credentials.caCertificate)
        authorization = "Bearer \(credentials.tokenID).\(credentials.tokenSecret)"
    }

    static func path(_ id: String) -> String { "/v1/sandboxes/\(escape(id))" }

    static func path(_ exec: String, _ id: String) -> String { "\(path(id))/execs/\(escape(exec))" }

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

    func waitAt(_ path: String) async throws -> EndResult {
        while true {
            let answer: WaitResponse = try await ask(.GET, path + "/wait?timeout_seconds=30")
            if let result = answer.result { return result }
        }
    }

    func ask<Answer: Decodable>(_ method: HTTPMethod, _ path: String) async throws -> Answer {
        try JSONText.decode(Answer.self, from: try await bytes(method, path, []))
    }

    func ask<Answer: Decodable>(
        _ method: HTTPMethod, _ path: String, _ request: some Encodable, key: String? = nil
    ) async throws -> Answer {
        try JSONText.decode(Answer.self, from: try await bytes(method, path, JSONText.encode(request), key: key))
    }

    /// The whole body of an answer with a status below 300; every other is thrown.
    @discardableResult
    func bytes(_ method: HTTPMethod, _ path: String, _ body: [UInt8], key: String? = nil) async throws -> [UInt8] {
        var call = self.call(method, path)
        call.body = body
        if !body.isEmpty { call.headers.append(("Content-Type", "application/json")) }
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
                throw ClientError(status: status, body: collected)
            } catch { try await retrying.pause(after: error) }
        }
    }

    func call(_ method: HTTPMethod, _ path: String) -> HTTPCall {
        HTTPCall(method: method, path: path, headers: [("Authorization", authorization)])
    }
}

extension ClientError {
    /// What an answer with a status that isn't one of success says.
    init(status: Int, body: [UInt8]) {
        if let problem = try? JSONText.decode(Problem.self, from: body) {
            self = .refused(problem)
        } else {
            self = .unexpected("status \(status): \(String(decoding: body.prefix(200), as: UTF8.self))")
        }
    }
}
