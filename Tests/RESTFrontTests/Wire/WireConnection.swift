import Foundation
import Glibc
import NIOPosix

/// What a test saw of one answer.
struct WireResponse: Sendable {
    var status = 0
    var headers: [String: String] = [:]
    var body: [UInt8] = []
    var trailers: [String: String] = [:]

    var text: String { String(decoding: body, as: UTF8.self) }

    func json() throws -> [String: Any] {
        try unwrap(JSONSerialization.jsonObject(with: Data(body)) as? [String: Any], "no JSON object")
    }
}

/// The bytes weren't what was expected of them.
struct WireError: Error {
    var message: String
}

/// Unwraps or throws; for code that isn't a test itself.
func unwrap<Value>(_ value: Value?, _ message: String = "nothing there") throws -> Value {
    guard let value else { throw WireError(message: message) }
    return value
}

/// A TCP connection of bare sockets: an HTTP client that shares no code with the server.
final class WireConnection: @unchecked Sendable {
    private static let pool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 64)
        pool.start()
        return pool
    }()

    private let descriptor: Int32
    private var buffered: [UInt8] = []
    private var open = true

    init(port: Int, receiveBufferBytes: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBufferBytes {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let outcome = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard outcome == 0 else { throw WireError(message: "connect: errno \(errno)") }
        // A test that waits in vain fails instead of hanging.
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { shut() }

    /// Closes at once; with `reset` as a process that is killed with unread bytes would.
    func shut() {
        guard open else { return }
        open = false
        close(descriptor)
    }

    func shutdownSending() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws {
        try await Self.pool.runIfActive { [self] in
            var sent = 0
            while sent < bytes.count {
                let count = bytes[sent...].withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { throw WireError(message: "send: errno \(errno)") }
                sent += count
            }
        }
    }

    private func receiveMore() throws -> Bool {
        var space = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(descriptor, &space, space.count, 0)
        guard count >= 0 else { throw WireError(message: "recv: errno \(errno)") }
        buffered += space.prefix(count)
        return count > 0
    }

    private func line() throws -> String {
        while true {
            if let end = buffered.firstIndex(of: 10) {
                let text = String(decoding: buffered[..<end], as: UTF8.self)
                buffered.removeFirst(end + 1)
                return text.hasSuffix("\r") ? String(text.dropLast()) : text
            }
            guard try receiveMore() else { throw WireError(message: "closed within a line") }
        }
    }

    private func exactly(_ count: Int) throws -> [UInt8] {
        while buffered.count < count {
            guard try receiveMore() else { throw WireError(message: "closed within a body") }
        }
        defer { buffered.removeFirst(count) }
        return Array(buffered[..<count])
    }

    private func fields() throws -> [String: String] {
        var fields: [String: String] = [:]
        while true {
            let text = try line()
            if text.isEmpty { return fields }
            let halves = text.split(separator: ":", maxSplits: 1)
            fields[halves[0].lowercased()] = halves[1].trimmingCharacters(in: .whitespaces)
        }
    }

    /// Whether the other side closes now, with nothing more to say.
    func isClosedByPeer() async throws -> Bool {
        try await Self.pool.runIfActive { [self] in
            guard buffered.isEmpty else { return false }
            do { return try !receiveMore() } catch { return true }
        }
    }

    /// Head only; the body's bytes can be read by `chunk`.
    func receiveHead() async throws -> WireResponse {
        try await Self.pool.runIfActive { [self] in
            var response = WireResponse()
            repeat {
                let status = try line().split(separator: " ")
                guard status.count >= 2 else { throw WireError(message: "no status line") }
                response.status = Int(status[1]) ?? 0
                response.headers = try fields()
            } while response.status == 100
            return response
        }
    }

    /// The next chunk of a chunked body; empty at its end, and then with `trailers`.
    func chunk() async throws -> (bytes: [UInt8], trailers: [String: String]) {
        try await Self.pool.runIfActive { [self] in try nextChunk() }
    }

    private func nextChunk() throws -> (bytes: [UInt8], trailers: [String: String]) {
        let size = try unwrap(Int(try line(), radix: 16), "no chunk size")
        guard size > 0 else { return ([], try fields()) }
        let bytes = try exactly(size)
        _ = try line()
        return (bytes, [:])
    }

    /// Exactly so many bytes.
    func receive(_ count: Int) async throws -> [UInt8] {
        try await Self.pool.runIfActive { [self] in try exactly(count) }
    }

    func receive() async throws -> WireResponse {
        var response = try await receiveHead()
        if response.headers["transfer-encoding"] == "chunked" {
            while true {
                let (bytes, trailers) = try await chunk()
                if bytes.isEmpty {
                    response.trailers = trailers
                    return response
                }
                response.body += bytes
            }
        }
        let count = Int(response.headers["content-length"] ?? "0") ?? 0
        response.body = try await Self.pool.runIfActive { [self] in try exactly(count) }
        return response
    }
}
