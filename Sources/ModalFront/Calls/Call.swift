import GRPCCore
import SandboxModel
import SwiftProtobuf

/// One call on its way to an answer: who asks, and what goes with the message.
struct Call: Sendable {
    let front: FrontState
    let caller: Caller
    /// The sandbox that a call to a task may speak to; nil for the control plane's.
    let task: SandboxID?
    let method: String
    let metadata: Metadata
    /// Whether it came over TLS.
    let isSecure: Bool

    var service: any SandboxService { front.service }

    /// The client's promise that a repeat of this message is the same call; nil without one.
    func key(over message: some SwiftProtobuf.Message) throws -> IdempotencyKey? {
        guard let key = metadata.only("x-idempotency-key") else { return nil }
        return try self.key(key, over: message)
    }

    /// The same for a promise that is in the message itself.
    func key(_ key: String, over message: some SwiftProtobuf.Message) throws -> IdempotencyKey {
        guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw CordonError.invalid(
                field: "x-idempotency-key", value: key, rule: "1–255 printable ASCII characters")
        }
        // Maps have no order: without one of ours a repeat could look like another message.
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        let bytes: [UInt8] = try message.serializedBytes(options: options)
        return IdempotencyKey(key: key, route: "/modal/\(method)", bodyHash: front.bodyHash(bytes))
    }

    /// Which SDK calls: `1.6.4`; nil where it doesn't say.
    var clientVersion: String? { metadata.only("x-modal-client-version") }

    /// The sandbox of that id. Text that can't be an id names no sandbox.
    func sandboxID(_ text: String) throws -> SandboxID {
        guard let id = SandboxID(text) else {
            throw CordonError(
                .notFound, "there is no sandbox \(text.prefix(64))", field: "sandbox_id", value: text)
        }
        return id
    }

    /// The sandbox of a task; for a call to a task, only its own.
    func sandbox(ofTask text: String) throws -> SandboxID {
        guard let id = TaskID(text)?.sandbox, task == nil || task == id else {
            throw CordonError(.notFound, "there is no task \(text.prefix(64))", field: "task_id", value: text)
        }
        return id
    }
}
