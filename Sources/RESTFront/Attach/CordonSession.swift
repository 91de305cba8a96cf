import CordonAPI
import NIOCore
import SandboxModel

/// The subprotocol `cordon.v1` on one connection: every byte with its offset, JSON beside it (docs/STREAMS.md).
struct CordonSession: Sendable {
    /// Which of the tasks of a session has ended.
    private enum Part {
        case stream, exit, client
        case stdin
    }

    let attachment: Attachment
    let socket: WebSocketConnection
    let exit = ExitSignal()

    /// Talks until the command is over and its streams have been sent. Throws `ClientGone` when the
    /// client, or the service, leaves before.
    func run(from stdin: StdinState) async throws {
        try await send(
            .started(
                Exec(attachment.exec), stdoutOffset: attachment.streams[0].start,
                stderrOffset: attachment.streams[1].start, stdin: Stdin(stdin), readOnly: attachment.isReadOnly))
        let (inputs, inbox) = AsyncStream<StdinOrder>.makeStream()
        try await withThrowingTaskGroup(of: Part.self) { group in
            for attached in attachment.streams { group.addTask { try await pump(attached) } }
            group.addTask { try await announceExit() }
            group.addTask { try await listen(inbox) }
            group.addTask { try await feed(inputs) }
            var unfinished = attachment.streams.count + 1
            while unfinished > 0, let part = try await group.next() {
                switch part {
                case .stream, .exit: unfinished -= 1
                case .client: throw ClientGone()
                case .stdin: break
                }
            }
            group.cancelAll()
        }
    }

    private func send(_ event: AttachEvent) async throws {
        try await socket.send(ByteBuffer(bytes: try JSONText.encode(event)), isText: true)
    }

    func refuse(_ error: CordonError) async throws {
        try await send(.error(attachment.problem(error)))
    }

    private func announceExit() async throws -> Part {
        let ending = try await attachment.ending()
        try await send(.exit(EndResult(ending)))
        exit.fire()
        return .exit
    }

    private func pump(_ attached: AttachedStream) async throws -> Part {
        let name = attached.stream.name
        let pump = OutputPump(
            attached: attached, header: { Self.header(attached.stream, $0) }, waitStep: attachment.waitStep, exit: exit,
            send: { item, onSent in
                switch item {
                case .message(let bytes): try await socket.send(bytes, onSent: onSent)
                case .gap(let from, let to): try await send(.gap(name, from: from, to: to))
                case .end(let offset): try await send(.end(name, offset: offset))
                }
            })
        try await pump.run()
        return .stream
    }

    private static func header(_ stream: OutputStream, _ offset: UInt64) -> [UInt8] {
        [stream.rawValue] + stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: offset >> UInt64($0)) }
    }

    /// Serves what the client says as it comes: a signal doesn't wait behind stdin that nobody reads.
    private func listen(_ stdin: AsyncStream<StdinOrder>.Continuation) async throws -> Part {
        defer { stdin.finish() }
        for await message in socket.messages {
            do {
                switch try ClientMessage(message) {
                case .stdin(let order):
                    guard !attachment.isReadOnly else { throw CordonError.readOnly }
                    // Its room is free again once the process has taken it.
                    stdin.yield(order)
                    continue
                case .signal(let number):
                    guard !attachment.isReadOnly else { throw CordonError.readOnly }
                    try await attachment.service.signal(
                        attachment.exec.id, in: attachment.exec.sandbox, number: number, by: attachment.caller,
                        key: nil)
                case .resize(let size):
                    guard !attachment.isReadOnly else { throw CordonError.readOnly }
                    try await attachment.service.resize(attachment.exec.id, in: attachment.exec.sandbox, to: size)
                }
            } catch let error as CordonError {
                try await refuse(error)
            }
            socket.release(message)
        }
        return .client
    }

    private func feed(_ orders: AsyncStream<StdinOrder>) async throws -> Part {
        for await order in orders {
            defer { socket.release(order.message) }
            do {
                let state =
                    switch order.input {
                    case .bytes(let bytes): try await attachment.stdin.write(bytes, at: order.offset)
                    case .end: try await attachment.stdin.end(at: order.offset)
                    }
                try await send(.stdin(Stdin(state)))
            } catch let error as CordonError {
                try await refuse(error)
            }
        }
        return .stdin
    }
}

extension CordonError {
    fileprivate static let readOnly = CordonError(
        .failedPrecondition, "this attach only reads", field: "stdin", rule: "attach with stdin=true")
}
