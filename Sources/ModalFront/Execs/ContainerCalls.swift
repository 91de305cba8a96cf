import FoundationEssentials
import GRPCCore
import ModalProtocol
import SandboxModel
import SwiftProtobuf

/// Commands in a sandbox by way of the control plane, as clients of old run them that can't reach a task's router.
struct ContainerCalls {
    func add(to table: inout CallTable) {
        table.unary("ContainerExec", start)
        table.stream("ContainerExecGetOutput", read)
        table.unary("ContainerExecPutInput", write)
        table.unary("ContainerExecWait", wait)
    }

    @Sendable private func start(
        _ request: ModalContainerExecRequest, _ call: Call
    ) async throws -> ModalContainerExecResponse {
        let id = try call.sandbox(ofTask: request.taskID)
        let exec = try await call.service.startExec(
            try ExecSpec(request), in: id, by: call.caller, key: try call.key(over: request))
        try ExecCalls.requireStarted(exec)
        return .with { $0.execID = ContainerExecID(sandbox: id, exec: exec.id).description }
    }

    /// A batch's index is one more than the offset behind its bytes, so that a client that says what it has seen
    /// gets what comes after.
    @Sendable private func read(
        _ request: ModalContainerExecGetOutputRequest, _ call: Call, _ writer: RPCWriter<ModalRuntimeOutputBatch>
    ) async throws {
        let id = try ContainerExecID(request.execID)
        let follower = OutputFollower(
            call: call, sandbox: id.sandbox, exec: id.exec,
            stream: request.fileDescriptor == .stderr ? .stderr : .stdout)
        let start = request.lastBatchIndex == 0 ? 0 : request.lastBatchIndex - 1
        let deadline = ContinuousClock.now + Duration(wait: request.timeout)
        var index = start + 1
        let stop = try await follower.follow(from: start, upTo: Duration(wait: request.timeout)) { piece in
            guard case .bytes(let data, let offset) = piece else {
                throw CordonError(.dataLoss, "output was written faster than it was read, and some is gone")
            }
            index = offset + UInt64(data.count) + 1
            let batch = Self.batch(data, index, request.fileDescriptor)
            try await writer.write(batch)
        }
        guard stop == .end else { return }
        let exec = try await call.service.wait(for: id.exec, in: id.sandbox, upTo: max(.zero, deadline - .now))
        guard case .ended(let ending) = exec.status else { return }
        let last = ModalRuntimeOutputBatch.with {
            $0.batchIndex = index
            $0.exitCode = ExecOutcome(ending).exitCode
        }
        try await writer.write(last)
    }

    private static func batch(
        _ data: Data, _ index: UInt64, _ descriptor: ModalFileDescriptor
    ) -> ModalRuntimeOutputBatch {
        .with {
            $0.batchIndex = index
            $0.items = [
                .with {
                    $0.fileDescriptor = descriptor
                    $0.messageBytes = data
                }
            ]
        }
    }

    @Sendable private func write(
        _ request: ModalContainerExecPutInputRequest, _ call: Call
    ) async throws -> Google_Protobuf_Empty {
        let id = try ContainerExecID(request.execID)
        let start = try await call.service.stdinStart(
            of: id.exec, in: id.sandbox, at: nil, by: call.caller, key: try call.key(over: request))
        try await StdinFeeder(call: call, sandbox: id.sandbox, exec: id.exec)
            .write(request.input.message, at: start, end: request.input.eof)
        return Google_Protobuf_Empty()
    }

    @Sendable private func wait(
        _ request: ModalContainerExecWaitRequest, _ call: Call
    ) async throws -> ModalContainerExecWaitResponse {
        let id = try ContainerExecID(request.execID)
        let exec = try await call.service.wait(for: id.exec, in: id.sandbox, upTo: Duration(wait: request.timeout))
        return .with {
            guard case .ended(let ending) = exec.status else { return }
            $0.completed = true
            $0.exitCode = ExecOutcome(ending).exitCode
        }
    }
}

/// An exec's id where no task's goes with it: it says whose it is.
struct ContainerExecID: Sendable, Hashable, CustomStringConvertible {
    let sandbox: SandboxID
    let exec: ExecID

    init(sandbox: SandboxID, exec: ExecID) { (self.sandbox, self.exec) = (sandbox, exec) }

    /// Throws `notFound` for text that is none.
    init(_ text: String) throws(CordonError) {
        let halves = text.split(separator: "/", maxSplits: 1)
        guard halves.count == 2, let sandbox = SandboxID(String(halves[0])), let exec = ExecID(String(halves[1])) else {
            throw CordonError(.notFound, "there is no exec \(text.prefix(64))", field: "exec_id", value: text)
        }
        self.init(sandbox: sandbox, exec: exec)
    }

    var description: String { "\(sandbox)/\(exec)" }
}
