import FoundationEssentials
import GRPCCore
import ModalProtocol
import SandboxModel

/// The streams of a sandbox's main command.
struct SandboxStreamCalls {
    func add(to table: inout CallTable) {
        table.stream("SandboxGetLogs", logs)
        table.unary("SandboxStdinWrite", writeInTurn)
        table.stream("SandboxStdioReadV2", of: .router, read)
        table.unary("SandboxStdinWriteV2", of: .router, write)
    }

    @Sendable private func read(
        _ request: ModalSandboxStdioReadV2Request, _ call: Call, _ writer: RPCWriter<ModalSandboxStdioReadV2Response>
    ) async throws {
        let id = try call.sandbox(ofTask: request.taskID)
        let stream: OutputStream = request.fileDescriptor == .stderr ? .stderr : .stdout
        guard try await Self.hasMainCommand(id, call) else { return try await Self.untilOver(id, call) }
        let follower = OutputFollower(call: call, sandbox: id, exec: .main, stream: stream)
        _ = try await follower.follow(from: request.offset) { piece in
            // What is gone shows in where the next piece begins.
            guard case .bytes(let data, let offset) = piece else { return }
            try await writer.write(
                .with {
                    $0.data = data
                    $0.startingOffset = offset
                })
        }
    }

    /// A batch's id is the offset behind it. Characters are never torn: the rest of one waits for its end.
    @Sendable private func logs(
        _ request: ModalSandboxGetLogsRequest, _ call: Call, _ writer: RPCWriter<ModalTaskLogsBatch>
    ) async throws {
        let id = try call.sandboxID(request.sandboxID)
        let limit = Duration(wait: request.timeout)
        guard try await Self.hasMainCommand(id, call) else {
            guard case .ended = try await call.service.wait(for: id, upTo: limit).status else { return }
            return try await writer.write(.with { $0.eof = true })
        }
        let follower = OutputFollower(
            call: call, sandbox: id, exec: .main, stream: request.fileDescriptor == .stderr ? .stderr : .stdout)
        let start = UInt64(request.lastEntryID) ?? 0
        var text = TextPieces(at: start)
        let stop = try await follower.follow(from: start, upTo: limit) { piece in
            switch piece {
            case .bytes(let data, _): try await writer.write(text.take(data).map { Self.batch($0, text, request) })
            case .gap(let first):
                let lost = text.skip(to: first)
                try await writer.write(
                    Self.batch(
                        "\n[cordon: \(lost) bytes were written faster than they were read, and are gone]\n", text,
                        request))
            }
        }
        guard stop == .end else { return }
        try await writer.write(text.finish().map { Self.batch($0, text, request) })
        try await writer.write(.with { $0.eof = true })
    }

    private static func batch(
        _ data: String, _ text: TextPieces, _ request: ModalSandboxGetLogsRequest
    ) -> ModalTaskLogsBatch {
        .with {
            $0.entryID = String(text.offset)
            $0.sandboxID = request.sandboxID
            $0.items = [
                .with {
                    $0.data = data
                    $0.fileDescriptor = request.fileDescriptor
                    $0.timestamp = Timestamp.now().inSeconds
                }
            ]
        }
    }

    /// Writes come in turn, each with a key of its own; a repeat begins where the first did.
    @Sendable private func writeInTurn(
        _ request: ModalSandboxStdinWriteRequest, _ call: Call
    ) async throws -> ModalSandboxStdinWriteResponse {
        let id = try call.sandboxID(request.sandboxID)
        let start = try await call.service.stdinStart(
            of: .main, in: id, at: nil, by: call.caller, key: try call.key(over: request))
        try await StdinFeeder(call: call, sandbox: id, exec: .main).write(request.input, at: start, end: request.eof)
        return ModalSandboxStdinWriteResponse()
    }

    @Sendable private func write(
        _ request: ModalSandboxStdinWriteV2Request, _ call: Call
    ) async throws -> ModalSandboxStdinWriteV2Response {
        let id = try call.sandbox(ofTask: request.taskID)
        try await StdinFeeder(call: call, sandbox: id, exec: .main)
            .write(request.data, at: request.offset, end: request.eof)
        return ModalSandboxStdinWriteV2Response()
    }

    private static func hasMainCommand(_ id: SandboxID, _ call: Call) async throws -> Bool {
        try await call.service.sandbox(id).spec.command != nil
    }

    /// A sandbox without a main command has streams in which nothing comes until they end with it.
    private static func untilOver(_ id: SandboxID, _ call: Call) async throws {
        while true {
            try Task.checkCancellation()
            if case .ended = try await call.service.wait(for: id, upTo: .seconds(55)).status { return }
        }
    }
}

extension RPCWriter {
    /// Writes the message if there is one.
    fileprivate func write(_ message: Element?) async throws {
        if let message { try await write(message) }
    }
}
