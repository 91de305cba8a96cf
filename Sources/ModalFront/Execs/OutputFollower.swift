import FoundationEssentials
import NIOPosix
import SandboxModel

/// Reads a stream from an offset on, piece by piece, as fast as the pieces are taken.
struct OutputFollower {
    /// What stopped it.
    enum Stop { case end, timeUp }

    /// What is given on.
    enum Piece {
        case bytes(Data, from: UInt64)
        /// Bytes that nobody can have any more, up to this offset.
        case gap(to: UInt64)
    }

    /// The longest that a wait for more goes without a look at whether the exec is over.
    private static let step: Duration = .seconds(5)
    /// Output that children of an exec write when it is over itself is waited for, for as long as it comes.
    private static let patience: Duration = .seconds(1)

    let call: Call
    let sandbox: SandboxID
    let exec: ExecID
    let stream: OutputStream

    /// Gives on pieces from `start` until the stream's end, or `limit` has passed.
    func follow(
        from start: UInt64, upTo limit: Duration? = nil, _ take: (Piece) async throws -> Void
    ) async throws -> Stop {
        guard call.front.readers.take() else {
            throw CordonError(.resourceExhausted, "too many streams are read at a time", retryAfter: .seconds(1))
        }
        call.front.followed.begin(exec, in: sandbox)
        defer {
            call.front.followed.end(exec, in: sandbox)
            call.front.readers.giveBack()
        }
        let reader = try await call.service.output(stream, of: exec, in: sandbox)
        do {
            let stop = try await follow(reader, from: start, until: limit.map { ContinuousClock.now + $0 }, take)
            await reader.close()
            return stop
        } catch {
            await reader.close()
            throw error
        }
    }

    private func follow(
        _ reader: any OutputReader, from start: UInt64, until end: ContinuousClock.Instant?,
        _ take: (Piece) async throws -> Void
    ) async throws -> Stop {
        var offset = start
        var wait = Self.patience
        while true {
            try Task.checkCancellation()
            let (read, data) = try await read(reader, at: offset)
            switch read {
            case .bytes(let count):
                try await take(.bytes(data, from: offset))
                offset += UInt64(count)
                // The process's side hears how far the client has got.
                _ = try await reader.waitBeyond(offset, upTo: .zero)
                wait = Self.patience
            case .gap(let first):
                try await take(.gap(to: first))
                offset = first
            case .end: return .end
            case .upToDate:
                if let end, ContinuousClock.now >= end { return .timeUp }
                let extent = try await reader.waitBeyond(offset, upTo: end.map { min(wait, $0 - .now) } ?? wait)
                guard extent.end <= offset, !extent.closed else { continue }
                guard let left = try await patienceLeft() else {
                    wait = Self.step
                    continue
                }
                guard left > .zero else { return .end }
                wait = left
            }
        }
    }

    /// How long more output is waited for once the exec's main process is over: what it has left behind may hold its
    /// streams for ever. nil while it runs.
    private func patienceLeft() async throws -> Duration? {
        guard case .ended(let ending) = try await call.service.exec(exec, in: sandbox).status else { return nil }
        return Self.patience - .microseconds(Timestamp.now().microseconds - ending.at.microseconds)
    }

    /// On a thread where a read may block.
    private func read(_ reader: any OutputReader, at offset: UInt64) async throws -> (StreamRead, Data) {
        let count = call.front.pieceBytes
        return try await NIOThreadPool.singleton.runIfActive {
            var data = Data(count: count)
            let read = try data.withUnsafeMutableBytes { try reader.read(at: offset, into: $0) }
            guard case .bytes(let count) = read else { return (read, Data()) }
            data.count = count
            return (read, data)
        }
    }
}
