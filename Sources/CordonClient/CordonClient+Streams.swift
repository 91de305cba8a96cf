import CordonAPI
public import NIOCore
import NIOHTTP1

/// One of an exec's streams, by its name in the API.
public enum OutputName: String, Sendable {
    case stdout
    case stderr
}

extension CordonClient {
    /// Gives every byte of a stream to `consume`, in order and once, until the stream's end; goes on
    /// by offset when the connection or the service is lost in mid-stream.
    ///
    /// - Parameters:
    ///   - onGap: called with the number of bytes that are gone, where some are.
    /// - Returns: the stream's length.
    @discardableResult
    public func follow(
        _ stream: OutputName, of exec: String, in id: String, from start: UInt64 = 0,
        onGap: (UInt64) async throws -> Void = { _ in }, _ consume: (ByteBufferView) async throws -> Void
    ) async throws -> UInt64 {
        var offset = start
        var retrying = Retrying(patience: patience)
        while true {
            var end: UInt64?
            var status = 0
            var refusal: [UInt8] = []
            do {
                let path = Self.path(exec, id) + "/\(stream.rawValue)?offset=\(offset)&follow=true"
                let trailers = try await transport.send(
                    call(.GET, path),
                    onHead: { answer in
                        status = answer.status
                        guard status == 200 else { return }
                        end = answer.headers.first(name: HeaderNames.end).flatMap { UInt64($0) }
                        guard let first = answer.headers.first(name: HeaderNames.offset).flatMap({ UInt64($0) }),
                            first >= offset
                        else { throw ClientError.unexpected("no \(HeaderNames.offset)") }
                        if first > offset {
                            try await onGap(first - offset)
                            offset = first
                        }
                    },
                    onBody: { bytes in
                        guard status == 200 else {
                            refusal.append(contentsOf: bytes.readableBytesView)
                            return
                        }
                        retrying.progressed()
                        try await consume(bytes.readableBytesView)
                        offset += UInt64(bytes.readableBytes)
                    })
                guard status == 200 else { throw Self.refusal(status, refusal) }
                retrying.progressed()
                end = trailers.first(name: HeaderNames.end).flatMap { UInt64($0) } ?? end
                if let end, offset >= end { return offset }
            } catch { try await retrying.pause(after: error) }
        }
    }

    /// Feeds an exec's stdin from `pieces`, and closes it behind them. Ends early, without an error,
    /// when the process closes it.
    public func feed<Pieces: AsyncSequence>(
        _ pieces: Pieces, to exec: String, in id: String
    ) async throws where Pieces.Element == [UInt8] {
        var offset: UInt64 = 0
        do {
            for try await piece in pieces {
                let state = try await writeStdin(piece, at: offset, eof: false, to: exec, in: id)
                offset += UInt64(piece.count)
                if state.closed || state.accepted < offset { return }
            }
            _ = try await writeStdin([], at: offset, eof: true, to: exec, in: id)
        } catch ClientError.refused(let problem) where problem.code == "failed_precondition" {
            // It is over: nobody reads any more.
        }
    }
}
