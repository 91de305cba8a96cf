import Foundation

/// A WebSocket client on bare sockets that shares no code with the server.
final class WireSocket: Sendable {
    /// A frame of the server's.
    struct Frame: Sendable, Equatable {
        var opcode: UInt8
        var payload: [UInt8]

        var text: String { String(decoding: payload, as: UTF8.self) }
        var closeCode: Int { payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : 0 }

        func json() throws -> [String: Any] {
            try unwrap(JSONSerialization.jsonObject(with: Data(payload)) as? [String: Any], "no JSON object")
        }
    }

    let connection: WireConnection

    init(_ connection: WireConnection) { self.connection = connection }

    static func handshake(_ path: String, headers: [String: String] = [:], authorized: Bool = true) -> String {
        var all = [
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        ]
        all.merge(headers) { $1 }
        return TestFront.head("GET", path, headers: all.filter { !$0.value.isEmpty }, authorized: authorized)
    }

    func send(_ opcode: UInt8, _ payload: [UInt8], final: Bool = true) async throws {
        try await connection.send(WebSocketReaderTests.frame(opcode, payload, final: final))
    }

    func send(stdin offset: UInt64, _ text: String) async throws {
        try await send(
            2, [0] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: offset >> ($0 * 8)) } + Array(text.utf8))
    }

    func send(text: String) async throws { try await send(1, Array(text.utf8)) }

    func receive() async throws -> Frame {
        let head = try await connection.receive(2)
        guard head[0] & 0x70 == 0, head[0] & 0x80 != 0, head[1] & 0x80 == 0 else {
            throw WireError(message: "a server's frame is final, unmasked, without extensions")
        }
        var count = Int(head[1])
        if count >= 126 {
            count = try await connection.receive(count == 126 ? 2 : 8).reduce(0) { $0 << 8 | Int($1) }
        }
        return Frame(opcode: head[0] & 15, payload: try await connection.receive(count))
    }

    /// The next JSON message of this type; others are passed over.
    func event(_ type: String) async throws -> [String: Any] {
        while true {
            let frame = try await receive()
            if frame.opcode == 8 { throw WireError(message: "closed with \(frame.closeCode): \(frame.text)") }
            if frame.opcode == 1, try frame.json()["type"] as? String == type { return try frame.json() }
        }
    }
}

extension TestFront {
    /// An attached connection whose handshake was answered 101.
    func attach(_ path: String, headers: [String: String] = [:], on connection: WireConnection? = nil) async throws
        -> WireSocket
    {
        let connection = try connection ?? connect()
        try await connection.send(WireSocket.handshake(path, headers: headers))
        let answer = try await connection.receiveHead()
        guard answer.status == 101 else { throw WireError(message: "\(answer.status): \(answer.headers)") }
        return WireSocket(connection)
    }
}
