import GRPCCore
import GRPCProtobuf
import SandboxModel
import SwiftProtobuf

/// The two services of the protocol.
package enum ModalService: String, Sendable, Hashable, CaseIterable {
    case client = "modal.client.ModalClient"
    case router = "modal.task_command_router.TaskCommandRouter"
}

/// One call as it is served; a test holds it to the protocol files.
package struct CallSignature: Sendable, Hashable {
    package var service: ModalService
    package var name: String
    /// Full names of the messages.
    package var request: String
    package var answer: String
    package var takesStream = false
    package var answersStream = false
}

/// Every call that is answered. Each room adds its own.
struct CallTable {
    typealias Writer<Answer: Sendable> = RPCWriter<Answer>

    private(set) var router = RPCRouter<ModalTransport>()
    private(set) var signatures: [CallSignature] = []
    private(set) var refused: Set<String> = []
    private let front: FrontState?

    /// - Parameter front: nil for a table that only says what there is.
    init(front: FrontState?) { self.front = front }

    /// A call with one message and one answer.
    mutating func unary<Request: SwiftProtobuf.Message, Answer: SwiftProtobuf.Message>(
        _ name: String, of service: ModalService = .client,
        _ work: @escaping @Sendable (Request, Call) async throws -> Answer
    ) {
        add(name, of: service, Request.self, Answer.self) { request, call in
            let message = try await request.only()
            let answer = try await work(message, call)
            return { writer in try await writer.write(answer) }
        }
    }

    /// A call with one message and a stream of answers, which ends when `work` returns. A write waits until there is
    /// room for it.
    mutating func stream<Request: SwiftProtobuf.Message, Answer: SwiftProtobuf.Message>(
        _ name: String, of service: ModalService = .client,
        _ work: @escaping @Sendable (Request, Call, Writer<Answer>) async throws -> Void
    ) {
        add(name, of: service, Request.self, Answer.self, answersStream: true) { request, call in
            let message = try await request.only()
            return { writer in try await work(message, call, writer) }
        }
    }

    /// A call with a stream of messages and one answer.
    mutating func upload<Request: SwiftProtobuf.Message, Answer: SwiftProtobuf.Message>(
        _ name: String, of service: ModalService = .client,
        _ work: @escaping @Sendable (RPCAsyncSequence<Request, any Error>, Call) async throws -> Answer
    ) {
        add(name, of: service, Request.self, Answer.self, takesStream: true) { request, call in
            let answer = try await work(request.messages, call)
            return { writer in try await writer.write(answer) }
        }
    }

    /// Calls that are answered with a sentence about what isn't served, whatever their messages.
    mutating func refuse(_ names: [String], of service: ModalService = .client, _ feature: String) {
        refused.formUnion(names)
        guard let front else { return }
        for name in names {
            router.registerHandler(
                forMethod: MethodDescriptor(fullyQualifiedService: service.rawValue, method: name),
                deserializer: AnyBytes(), serializer: AnyBytes()
            ) { request, context in
                await front.answer(name, of: service, request, context) { _, _ in
                    throw CordonError.unserved(feature)
                }
            }
        }
    }

    private mutating func add<Request: SwiftProtobuf.Message, Answer: SwiftProtobuf.Message>(
        _ name: String, of service: ModalService, _: Request.Type, _: Answer.Type, takesStream: Bool = false,
        answersStream: Bool = false,
        _ work: @escaping @Sendable (StreamingServerRequest<Request>, Call) async throws -> Producer<Answer>
    ) {
        signatures.append(
            CallSignature(
                service: service, name: name, request: Request.protoMessageName, answer: Answer.protoMessageName,
                takesStream: takesStream, answersStream: answersStream))
        guard let front else { return }
        router.registerHandler(
            forMethod: MethodDescriptor(fullyQualifiedService: service.rawValue, method: name),
            deserializer: ClientMessages<Request>(), serializer: ProtobufSerializer<Answer>()
        ) { request, context in await front.answer(name, of: service, request, context, work) }
    }
}

/// Writes a call's answers.
typealias Producer<Answer: Sendable> = @Sendable (RPCWriter<Answer>) async throws -> Void

extension StreamingServerRequest {
    /// The message of a call that has one.
    fileprivate func only() async throws -> Message {
        for try await message in messages { return message }
        throw CordonError(.invalidArgument, "the call came without its message")
    }
}

/// A client's messages. What can't be read is the client's mistake.
private struct ClientMessages<Message: SwiftProtobuf.Message>: MessageDeserializer {
    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> Message {
        do {
            return try ProtobufDeserializer().deserialize(bytes)
        } catch {
            throw RPCError(code: .invalidArgument, message: "the call's message is no \(Message.protoMessageName)")
        }
    }
}

/// Messages that nobody reads.
private struct AnyBytes: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: Nothing) throws -> Bytes { Bytes(repeating: 0, count: 0) }
    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> Nothing { Nothing() }
}

private struct Nothing: Sendable {}
