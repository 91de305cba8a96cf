public import CordonAPI
public import NIOCore

/// What an attached exec gives.
public enum AttachOutput: Sendable {
    case bytes(OutputName, ByteBuffer)
    /// So many bytes of a stream are gone for good.
    case gap(OutputName, UInt64)
}

/// An exec's streams on one WebSocket connection, which is made again whenever it breaks: no byte is
/// lost or comes twice, either way, as long as the service keeps it (docs/STREAMS.md).
public struct AttachedExec: Sendable {
    let client: CordonClient
    let exec: String
    let sandbox: String
    /// Where reading begins: at what comes from now on, or at the first byte.
    private let fromNowOn: Bool

    public init(_ client: CordonClient, exec: String, in sandbox: String, fromNowOn: Bool = false) {
        self.client = client
        self.exec = exec
        self.sandbox = sandbox
        self.fromNowOn = fromNowOn
    }

    private enum Part {
        case fed
        case ended(EndResult)
    }

    /// Gives everything that the exec writes to `consume`, and feeds its stdin from `stdin` and closes it
    /// behind; answers with the exec's result once it is over and all its output was given.
    ///
    /// An error that `stdin` or `consume` throws ends this, and leaves the exec as it is. `stdin` is read no
    /// faster than the exec takes it, up to 1 MiB. Two writers at a time are one too many: offsets order what
    /// one of them says.
    ///
    /// - Parameter stdin: nil only reads, and leaves stdin alone.
    public func run<Pieces: AsyncSequence & Sendable>(
        stdin: Pieces?, _ consume: @escaping @Sendable (AttachOutput) async throws -> Void
    ) async throws -> EndResult where Pieces.Element == [UInt8] {
        let backlog = StdinBacklog()
        return try await withThrowingTaskGroup(of: Part.self) { group in
            if let stdin {
                group.addTask {
                    for try await piece in stdin {
                        guard await backlog.append(piece) else { return .fed }
                    }
                    try Task.checkCancellation()
                    backlog.finish()
                    return .fed
                }
            }
            let takesStdin = stdin != nil
            group.addTask { .ended(try await follow(takesStdin ? backlog : nil, consume)) }
            defer { group.cancelAll() }
            while let part = try await group.next() {
                if case .ended(let result) = part { return result }
            }
            throw CancellationError()
        }
    }

    private func follow(
        _ backlog: StdinBacklog?, _ consume: (AttachOutput) async throws -> Void
    ) async throws -> EndResult {
        var position = AttachPosition(fromNowOn: fromNowOn)
        var retrying = Retrying(patience: client.patience)
        while true {
            do {
                let path = CordonClient.path(exec, sandbox) + "/attach?" + position.query(takesStdin: backlog != nil)
                return try await client.transport.withWebSocket(
                    client.call(.GET, path), subprotocol: AttachProtocol.name
                ) { inbound, outbound in
                    try await talk(inbound, outbound, backlog, &position, { retrying.progressed() }, consume)
                }
            } catch { try await retrying.pause(after: error) }
        }
    }

    /// One connection, from `started` to the close. Throws `ConnectionLost` when it breaks before the end.
    private func talk(
        _ inbound: WebSocketInbound, _ outbound: WebSocketOutbound, _ backlog: StdinBacklog?,
        _ position: inout AttachPosition, _ progressed: () -> Void,
        _ consume: (AttachOutput) async throws -> Void
    ) async throws -> EndResult {
        var messages = inbound.makeAsyncIterator()
        guard case .text(let text)? = try await messages.next(),
            case .event(let started) = try AttachMessage(text: text)
        else { throw ConnectionLost(reason: "the connection was closed at its start") }
        try position.started(started)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            if let backlog, let state = started.stdin {
                backlog.accepted(upTo: state.accepted)
                if state.closed || started.readOnly == true { backlog.close() }
                group.addTask { await Self.send(backlog, from: state.accepted, outbound) }
            }
            defer { group.cancelAll() }
            while let message = try await messages.next() {
                switch message {
                case .binary(let bytes):
                    guard case .bytes(let stream, let offset, let payload) = try AttachMessage(binary: bytes) else {
                        continue
                    }
                    if let new = try position.take(stream, offset, payload) {
                        progressed()
                        try await consume(.bytes(stream, new))
                    }
                case .text(let text):
                    guard case .event(let event) = try AttachMessage(text: text) else { continue }
                    try await hear(event, backlog, &position, progressed, consume)
                case .closed(let code, let reason):
                    if code == 1000, let result = position.result { return result }
                    throw Self.ending(code, reason)
                }
            }
            if position.isComplete, let result = position.result { return result }
            try Task.checkCancellation()
            throw ConnectionLost(reason: "the connection was lost")
        }
    }

    private func hear(
        _ event: AttachEvent, _ backlog: StdinBacklog?, _ position: inout AttachPosition, _ progressed: () -> Void,
        _ consume: (AttachOutput) async throws -> Void
    ) async throws {
        switch event.type {
        case .started: throw ClientError.unexpected("a second started")
        case .gap:
            let (stream, count) = try position.skip(event)
            if count > 0 { try await consume(.gap(stream, count)) }
        case .stdin:
            progressed()
            backlog?.accepted(upTo: event.accepted ?? 0)
            if event.closed == true { backlog?.close() }
        case .end: try position.end(event)
        case .exit:
            position.exit(event)
            backlog?.close()
        case .error:
            // Only stdin is spoken of on this connection. Behind a gap it is sent again from what was
            // accepted, on a new one; whatever else is wrong with it, nobody reads it.
            if event.problem?.code == "out_of_range" { throw ConnectionLost(reason: "stdin was out of step") }
            backlog?.close()
        }
    }

    private static func send(_ backlog: StdinBacklog, from start: UInt64, _ outbound: WebSocketOutbound) async {
        var offset = start
        while let next = await backlog.next(at: offset) {
            // A connection that breaks is noticed where it is read.
            guard (try? await outbound.write(AttachMessage.stdin(next))) != nil else { return }
            guard case .bytes(let bytes, let begin) = next else { return }
            offset = begin + UInt64(bytes.readableBytes)
        }
    }

    /// What a close frame before the end means (docs/STREAMS.md, "Close codes").
    private static func ending(_ code: UInt16?, _ reason: String) -> any Error {
        switch code {
        case 1002, 1003, 1007, 1008, 1009: ClientError.unexpected("closed with \(code ?? 0): \(reason)")
        default: ConnectionLost(reason: "closed with \(code.map { "\($0)" } ?? "no code"): \(reason)")
        }
    }
}
