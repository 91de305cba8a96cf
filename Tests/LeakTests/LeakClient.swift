import Foundation
import ServiceSupport

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// A client that outlives the service: what a kill of any part interrupts is asked again.
struct LeakClient: Sendable {
    let url: String
    let token: String

    struct GaveUp: Error, CustomStringConvertible { let description: String }
    struct Reply: @unchecked Sendable {
        let status: Int
        let json: [String: Any]
        var text: String { "\(status) \(json)" }
    }

    init(_ service: ServiceInstance) {
        url = service.url
        token = service.token
    }

    func request(_ method: String, _ path: String, _ body: [String: Any]?, key: String?) throws -> URLRequest {
        guard let address = URL(string: url + path) else { throw GaveUp(description: "not a path: \(path)") }
        var request = URLRequest(url: address, timeoutInterval: 90)
        request.httpMethod = method
        request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization")
        if let key { request.setValue(key, forHTTPHeaderField: "Idempotency-Key") }
        if let body {
            // In one order: a repeat with the same key must be the same bytes.
            request.httpBody = try JSONSerialization.data(withJSONObject: body, options: .sortedKeys)
            request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        }
        return request
    }

    /// Asks until there is an answer that isn't "not now".
    func call(_ method: String, _ path: String, _ body: [String: Any]? = nil, key: String? = nil) async throws -> Reply
    {
        var last = ""
        for _ in 0..<600 {
            do {
                let (data, response) = try await URLSession.shared.data(for: request(method, path, body, key: key))
                let status = (response as? HTTPURLResponse)?.statusCode ?? 0
                let json = ((try? JSONSerialization.jsonObject(with: data)) as? [String: Any]) ?? [:]
                if status != 503 && status != 429 { return Reply(status: status, json: json) }
                last = "\(status) \(json)"
                // A refused key is refused for good: creating is asked anew by the caller.
                if key != nil, status == 503 { return Reply(status: status, json: json) }
            } catch let error as URLError { last = "\(error.code)" }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw GaveUp(description: "\(method) \(path): \(last)")
    }

    /// Creates a sandbox, or a sidecar of one; asked again with a new key where a kill made it fail.
    func create(_ spec: [String: Any], besides main: String? = nil) async throws -> String {
        var last = ""
        let path = "/v1/sandboxes" + (main.map { "/\($0)/sidecars" } ?? "")
        for _ in 0..<50 {
            let reply = try await call("POST", path, spec, key: UUID().uuidString)
            if reply.status == 201, let id = reply.json["id"] as? String { return id }
            last = reply.text
            guard reply.status >= 500 else { break }
        }
        throw GaveUp(description: "create: \(last)")
    }

    /// Starts an exec. With `wait` the answer is its result.
    @discardableResult
    func exec(
        _ argv: [String], in sandbox: String, id: String = "x-" + UUID().uuidString, wait: Bool = false,
        timeout: Double? = nil, pty: [String: Any]? = nil
    ) async throws -> Reply {
        var body: [String: Any] = ["argv": argv, "exec_id": id]
        if wait { body["wait"] = true }
        if let timeout { body["timeout_seconds"] = timeout }
        if let pty { body["pty"] = pty }
        return try await call("POST", "/v1/sandboxes/\(sandbox)/execs", body)
    }

    /// The reason of the sandbox's ending, once there is one.
    func ending(of sandbox: String) async throws -> String {
        while true {
            let reply = try await call("GET", "/v1/sandboxes/\(sandbox)/wait?timeout_seconds=30")
            guard reply.status == 200 else { return reply.text }
            if let result = reply.json["result"] as? [String: Any] { return result["reason"] as? String ?? "" }
        }
    }

    /// Terminates, and returns the reason of the ending.
    func terminate(_ sandbox: String) async throws -> String {
        let reply = try await call("DELETE", "/v1/sandboxes/\(sandbox)")
        return (reply.json["result"] as? [String: Any])?["reason"] as? String ?? reply.text
    }
}
