import NIOCore
import SandboxModel

/// Sends one stream of an exec over a WebSocket connection until it is over: as fast as the client
/// takes it, with at most its credit in memory.
struct OutputPump: Sendable {
    /// What a subprotocol makes of a stream.
    enum Item: Sendable {
        /// The subprotocol's header and bytes of the stream: a message as it is.
        case message(ByteBuffer)
        case gap(from: UInt64, to: UInt64)
        case end(UInt64)
    }

    /// How long a stream that others still hold is waited for after the command's end.
    static let grace: Duration = .seconds(2)

    let attached: AttachedStream
    /// What a message begins with whose first byte of the stream is at this offset.
    let header: @Sendable (_ offset: UInt64) -> [UInt8]
    let waitStep: Duration
    let exit: ExitSignal
    /// Sends an item; calls what it is given, if anything, when the last byte is on the wire.
    let send: @Sendable (Item, (@Sendable () -> Void)?) async throws -> Void

    /// Returns behind the stream's end, and after the command's own where its leftover children still
    /// hold the stream and write nothing more.
    func run() async throws {
        let (sent, progress) = AsyncStream<UInt64>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let reader = attached.pieces.reader
        try await withThrowingTaskGroup(of: Void.self) { group in
            // The process's side hears what has gone out, which is what a full spool waits for.
            group.addTask {
                for await offset in sent { _ = try await reader.waitBeyond(offset, upTo: .zero) }
            }
            defer { progress.finish() }
            try await pump(progress)
        }
    }

    private func pump(_ progress: AsyncStream<UInt64>.Continuation) async throws {
        let buffers = PieceBuffers()
        var offset = attached.start
        while true {
            let header = header(offset)
            switch try await attached.pieces.read(at: offset, behind: header, in: buffers) {
            case .bytes(let buffer):
                offset += UInt64(buffer.readableBytes - header.count)
                try await send(.message(buffer)) { [offset] in
                    progress.yield(offset)
                    buffers.giveBack(buffer)
                }
            case .gap(let first):
                try await send(.gap(from: offset, to: first), nil)
                offset = first
            case .end: return try await send(.end(offset), nil)
            case .upToDate:
                buffers.forget()
                guard try await more(beyond: offset) else { return }
            }
        }
    }

    /// Waits until there is more; false when the command is over and nothing more came for a while.
    private func more(beyond offset: UInt64) async throws -> Bool {
        let reader = attached.pieces.reader
        let step = waitStep
        if try await exit.unlessFired({ _ = try await reader.waitBeyond(offset, upTo: step) }) { return true }
        let left = max(.zero, exit.time.map { $0 + Self.grace - .now } ?? .zero)
        let extent = try await reader.waitBeyond(offset, upTo: left)
        return extent.end > offset || extent.closed
    }
}
