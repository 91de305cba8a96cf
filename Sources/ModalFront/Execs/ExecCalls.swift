import GRPCCore
import ModalProtocol
import SandboxModel

/// Commands in a sandbox, by way of its task's router.
struct ExecCalls {
    private static let step: Duration = .seconds(55)
    private static let courtesy: Duration = .milliseconds(400)

    func add(to table: inout CallTable) {
        table.unary("TaskExecStart", of: .router, start)
        table.stream("TaskExecStdioRead", of: .router, read)
        table.unary("TaskExecStdinWrite", of: .router, write)
        table.upload("TaskExecStdinWriteStream", of: .router, upload)
        table.unary("TaskExecStdinStatus", of: .router, stdinStatus)
        table.unary("TaskExecWait", of: .router, wait)
        table.unary("TaskExecPoll", of: .router, poll)
    }

    @Sendable private func start(
        _ request: ModalTaskExecStartRequest, _ call: Call
    ) async throws -> ModalTaskExecStartResponse {
        let id = try await call.container(request.containerID, ofTask: request.taskID)
        guard !FileProgram.isMeant(by: request.commandArgs) else {
            try await call.front.files.start(request.commandArgs, as: Self.execID(request.execID), in: id)
            return ModalTaskExecStartResponse()
        }
        let exec = try await call.service.startExec(try ExecSpec(request), in: id, by: call.caller, key: nil)
        try Self.requireStarted(exec)
        return ModalTaskExecStartResponse()
    }

    /// A command that can't be run is the client's mistake.
    static func requireStarted(_ exec: ExecSnapshot) throws(CordonError) {
        guard case .ended(let ending) = exec.status, ending.reason == .failedToStart else { return }
        throw CordonError(
            .invalidArgument, "the command could not be started: \(ending.detail ?? "no reason is known")",
            field: "command_args", value: exec.spec.command.argv.first)
    }

    @Sendable private func read(
        _ request: ModalTaskExecStdioReadRequest, _ call: Call, _ writer: RPCWriter<ModalTaskExecStdioReadResponse>
    ) async throws {
        let (id, exec) = try await call.exec(request.execID, ofTask: request.taskID)
        let stream: OutputStream = request.fileDescriptor == .stderr ? .stderr : .stdout
        if let file = call.front.files.execs.find(exec, in: id) {
            return try await call.front.files.read(stream, of: file, in: id, from: request.offset) { data in
                try await writer.write(.with { $0.data = data })
            }
        }
        let follower = OutputFollower(call: call, sandbox: id, exec: exec, stream: stream)
        _ = try await follower.follow(from: request.offset) { piece in
            switch piece {
            case .bytes(let data, _): try await writer.write(.with { $0.data = data })
            case .gap(let first):
                throw CordonError(
                    .dataLoss, "output was written faster than it was read: what came before byte \(first) is gone")
            }
        }
    }

    @Sendable private func write(
        _ request: ModalTaskExecStdinWriteRequest, _ call: Call
    ) async throws -> ModalTaskExecStdinWriteResponse {
        let (id, exec) = try await call.exec(request.execID, ofTask: request.taskID)
        try await Self.feeder(of: exec, in: id, call).write(request.data, at: request.offset, end: request.eof)
        return ModalTaskExecStdinWriteResponse()
    }

    @Sendable private func upload(
        _ messages: RPCAsyncSequence<ModalTaskExecStdinWriteStreamRequest, any Error>, _ call: Call
    ) async throws -> ModalTaskExecStdinWriteStreamResponse {
        var feeder: (any InputFeeder)?
        var offset: UInt64 = 0
        for try await message in messages {
            switch (message.payload, feeder) {
            case (.start(let start), nil):
                let (id, exec) = try await call.exec(start.execID, ofTask: start.taskID)
                feeder = Self.feeder(of: exec, in: id, call)
                offset = start.offset
            case (.data(let data), let feeder?):
                let (next, isBeyond) = offset.addingReportingOverflow(UInt64(data.count))
                guard !isBeyond else {
                    throw CordonError(.outOfRange, "stdin has no byte \(offset)", field: "offset")
                }
                try await feeder.write(data, at: offset, end: false)
                offset = next
            case (.end, let feeder?):
                try await feeder.write(.init(), at: offset, end: true)
                return ModalTaskExecStdinWriteStreamResponse()
            default:
                throw CordonError.invalid(
                    field: "payload", value: nil, rule: "one start, then data, and an end")
            }
        }
        throw CordonError(.aborted, "the stream ended before its end was said")
    }

    @Sendable private func stdinStatus(
        _ request: ModalTaskExecStdinStatusRequest, _ call: Call
    ) async throws -> ModalTaskExecStdinStatusResponse {
        let (id, exec) = try await call.exec(request.execID, ofTask: request.taskID)
        let state: StdinState
        if let upload = call.front.files.execs.find(exec, in: id)?.upload {
            state = StdinState(accepted: await upload.accepted, closed: await upload.isClosed)
        } else {
            state = try await call.service.stdinState(of: exec, in: id)
        }
        return .with {
            $0.numBytesWritten = state.accepted
            $0.closed = state.closed
        }
    }

    @Sendable private func wait(
        _ request: ModalTaskExecWaitRequest, _ call: Call
    ) async throws -> ModalTaskExecWaitResponse {
        let (id, exec) = try await call.exec(request.execID, ofTask: request.taskID)
        if let file = call.front.files.execs.find(exec, in: id) {
            let code = try await FileProgram.outcome(of: file)
            return .with { $0.code = code }
        }
        while true {
            // A wait that is cancelled answers at once.
            try Task.checkCancellation()
            guard case .ended(let ending) = try await call.service.wait(for: exec, in: id, upTo: Self.step).status
            else {
                continue
            }
            // Clients stop waiting when the timeout is over, by their own clock, and say so in their own way: whichever
            // of the two is first, they hear of it in the same way.
            if ending.reason == .timedOut { try await Task.sleep(for: Self.courtesy) }
            // Clients that show output as it comes leave once they hear of the end, whatever is still on its way.
            try await call.front.followed.untilRead(exec, in: id, upTo: Self.courtesy)
            return .with {
                switch ExecOutcome(ending) {
                case .code(let code): $0.code = code
                case .signal(let number): $0.signal = number
                }
            }
        }
    }

    @Sendable private func poll(
        _ request: ModalTaskExecPollRequest, _ call: Call
    ) async throws -> ModalTaskExecPollResponse {
        let (id, execID) = try await call.exec(request.execID, ofTask: request.taskID)
        if let file = call.front.files.execs.find(execID, in: id) {
            let code = await file.code
            return .with { if let code { $0.code = code } }
        }
        let exec = try await call.service.exec(execID, in: id)
        return .with {
            guard case .ended(let ending) = exec.status else { return }
            switch ExecOutcome(ending) {
            case .code(let code): $0.code = code
            case .signal(let number): $0.signal = number
            }
        }
    }

    /// What takes an exec's stdin: its process, or the file that is written.
    private static func feeder(of exec: ExecID, in id: SandboxID, _ call: Call) -> any InputFeeder {
        call.front.files.execs.find(exec, in: id).map { FileFeeder(exec: $0) }
            ?? StdinFeeder(call: call, sandbox: id, exec: exec)
    }

    /// Text that can't be an id names no exec.
    static func execID(_ text: String) throws(CordonError) -> ExecID {
        guard let id = ExecID(text) else {
            throw CordonError(.notFound, "there is no exec \(text.prefix(64))", field: "exec_id", value: text)
        }
        return id
    }
}
