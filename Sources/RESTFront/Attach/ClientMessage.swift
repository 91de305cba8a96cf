import CordonAPI
import NIOCore
import SandboxModel

/// Something to do to stdin, in the order in which it came.
struct StdinOrder: Sendable {
    enum Input: Sendable {
        case bytes(ByteBuffer)
        case end
    }

    let input: Input
    let offset: UInt64
    /// What is released once it is done.
    let message: WebSocketMessage
}

/// A client's message on a `cordon.v1` connection, checked.
enum ClientMessage {
    case stdin(StdinOrder)
    case signal(Int32)
    case resize(TerminalSize)

    private enum Kind: String, CaseIterable {
        case eof, resize, signal
    }

    private enum Eof: String, CodingKey, CaseIterable { case type, offset }

    /// Throws `CordonError` for what the client may do better next time, `WebSocketViolation` for
    /// what isn't of this subprotocol at all.
    init(_ message: WebSocketMessage) throws {
        guard message.isText else {
            self = .stdin(try Self.stdin(message))
            return
        }
        let json: JSONValue
        do {
            json = try JSONParser.parse(Array(message.bytes.readableBytesView))
        } catch {
            throw WebSocketViolation(code: .policyViolation, reason: "a text message isn't JSON: \(error.message)")
        }
        guard case .object(let members) = json, case .string(let type)? = members["type"] else {
            throw WebSocketViolation(
                code: .policyViolation, reason: "a text message is an object whose type is a string")
        }
        switch Kind(rawValue: type) {
        case .eof:
            let fields = try FieldReader<Eof>(json)
            guard let offset = try fields.whole(.offset, in: 0...Int.max >> 11) else {
                throw CordonError.invalid(field: "offset", value: nil, rule: "how many bytes stdin has in all")
            }
            self = .stdin(StdinOrder(input: .end, offset: UInt64(offset), message: message))
        case .signal: self = .signal(try SignalOrder(json: .object(members.filter { $0.key != "type" })).number)
        case .resize: self = .resize(try TerminalSize(json: .object(members.filter { $0.key != "type" })))
        case nil:
            let names = Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw CordonError.invalid(field: "type", value: type, rule: "one of \(names)")
        }
    }

    private static func stdin(_ message: WebSocketMessage) throws(WebSocketViolation) -> StdinOrder {
        var bytes = message.bytes
        guard let channel = bytes.readInteger(as: UInt8.self), channel == AttachProtocol.Channel.stdin.rawValue else {
            throw WebSocketViolation(code: .policyViolation, reason: "a client's binary message is for channel 0")
        }
        guard let offset = bytes.readInteger(as: UInt64.self) else {
            throw WebSocketViolation(
                code: .policyViolation, reason: "a binary message begins with its channel and an offset of 8 bytes")
        }
        return StdinOrder(input: .bytes(bytes), offset: offset, message: message)
    }
}
