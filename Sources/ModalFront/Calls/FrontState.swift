import FrontConnections
import GRPCCore
import Logging
import SandboxModel

/// What all calls share.
struct FrontState: Sendable {
    let service: any SandboxService
    let apps: any AppService
    let images: any ImageService
    let secrets: any SecretService
    let content: ModalContent
    let admission: Admission
    let bodyHash: @Sendable ([UInt8]) -> [UInt8]
    let address: ModalAddress
    let readers: Places
    let pieceBytes: Int
    /// Whether calls come over TLS.
    var isSecure = false
    let files: FileProgram
    let openFiles = OpenFiles()
    let followed = FollowedExecs()
    let observer: (any CallObserver)?
    let logger: Logger

    var access: any ModalAccess { admission.access }

    /// Admits a call, and then does what `work` says for as long as its client is there.
    ///
    /// A message is read only once the caller is known.
    func answer<Request: Sendable, Answer: Sendable>(
        _ name: String, of service: ModalService, _ request: StreamingServerRequest<Request>, _ context: ServerContext,
        _ work: @escaping @Sendable (StreamingServerRequest<Request>, Call) async throws -> Producer<Answer>
    ) async -> StreamingServerResponse<Answer> {
        let start = ContinuousClock.now
        do {
            let call = try await admit(name, service, request.metadata, context)
            let produce = try await whileWanted { try await work(request, call) }
            return StreamingServerResponse(metadata: [:]) { writer in
                do {
                    try await whileWanted { try await produce(writer) }
                    observer?.answered(name, nil, after: ContinuousClock.now - start)
                    return [:]
                } catch { throw refusal(error, name, start) }
            }
        } catch { return StreamingServerResponse(error: refusal(error, name, start)) }
    }

    private func admit(
        _ name: String, _ service: ModalService, _ metadata: Metadata, _ context: ServerContext
    ) async throws -> Call {
        switch service {
        case .client:
            return Call(
                front: self, caller: try await admission.client(metadata), task: nil, method: name,
                metadata: metadata, isSecure: isSecure)
        case .router:
            let (caller, sandbox) = try admission.router(metadata)
            return Call(
                front: self, caller: caller, task: sandbox, method: name, metadata: metadata, isSecure: isSecure)
        }
    }

    private func refusal(_ error: any Error, _ name: String, _ start: ContinuousClock.Instant) -> RPCError {
        let refusal = RPCError(error)
        // What the transport itself refuses, such as a message that never came whole, is its client's affair.
        if refusal.code == .internalError, !(error is RPCError) {
            logger.error("a call failed", metadata: ["call": "\(name)", "error": "\(error)"])
        }
        observer?.answered(name, refusal.code.description, after: ContinuousClock.now - start)
        return refusal
    }

    /// gRPC tells of a client that has left, or whose deadline is over; here that cancels the work.
    private func whileWanted<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws
        -> Value
    {
        // Waited for right below.
        let task = Task { try await work() }
        return try await withTaskCancellationHandler {
            try await withRPCCancellationHandler {
                try await task.value
            } onCancelRPC: {
                task.cancel()
            }
        } onCancel: {
            task.cancel()
        }
    }
}

/// Hears of every call that was answered.
public protocol CallObserver: Sendable {
    /// - Parameter refusal: the status that it was refused with; nil for OK.
    func answered(_ call: String, _ refusal: String?, after duration: Duration)
}
