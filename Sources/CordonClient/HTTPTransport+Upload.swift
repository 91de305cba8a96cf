import NIOCore
import NIOHTTP1
import Synchronization

extension HTTPTransport {
    /// Sends `call` with a body that comes in pieces, no faster than the service takes them, and gives the answer.
    /// An answer that comes before the body's end ends it. Throws what `body` throws, and then nothing was
    /// answered; `ConnectionLost` when the answer isn't whole.
    func upload(
        _ call: HTTPCall, length: UInt64?, body: some AsyncSequence<[UInt8], any Error> & Sendable
    ) async throws -> (status: Int, body: [UInt8]) {
        let channel = try await connect { channel in
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                wrappingChannelSynchronously: channel)
        }
        let failure = BodyFailure()
        let head = head(of: call, length: length)
        do {
            return try await channel.executeThenClose { inbound, outbound in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        do {
                            try await outbound.write(.head(head))
                            var pieces = body.makeAsyncIterator()
                            while let piece = try await Self.piece(&pieces, failure) {
                                try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: piece))))
                            }
                            try await outbound.write(.end(nil))
                        } catch {
                            // A service that has answered and closed before all was written has answered all the same.
                            if failure.error != nil { channel.channel.close(promise: nil) }
                        }
                    }
                    defer { group.cancelAll() }
                    return try await Self.answer(from: inbound)
                }
            }
        } catch {
            if let failure = failure.error { throw failure }
            if error is CancellationError || error is ConnectionLost { throw error }
            if let untrusted = mistrust(error) { throw untrusted }
            try Task.checkCancellation()
            throw ConnectionLost(reason: "\(error)")
        }
    }

    /// The next piece; what goes wrong with it is kept.
    private static func piece<Pieces: AsyncIteratorProtocol>(
        _ pieces: inout Pieces, _ failure: BodyFailure
    ) async throws -> [UInt8]? where Pieces.Element == [UInt8] {
        do { return try await pieces.next() } catch {
            failure.error = error
            throw error
        }
    }

    private func head(of call: HTTPCall, length: UInt64?) -> HTTPRequestHead {
        var headers = HTTPHeaders([hostField, ("Connection", "close")])
        for (name, value) in call.headers { headers.add(name: name, value: value) }
        if let length {
            headers.add(name: "Content-Length", value: String(length))
        } else {
            headers.add(name: "Transfer-Encoding", value: "chunked")
        }
        return HTTPRequestHead(version: .http1_1, method: call.method, uri: call.path, headers: headers)
    }

    private static func answer(
        from inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>
    ) async throws -> (status: Int, body: [UInt8]) {
        var (status, collected): (Int, [UInt8]) = (0, [])
        for try await part in inbound {
            switch part {
            case .head(let head): status = Int(head.status.code)
            case .body(let bytes): collected.append(contentsOf: bytes.readableBytesView)
            case .end where status < 200: break
            case .end: return (status, collected)
            }
        }
        try Task.checkCancellation()
        throw ConnectionLost(reason: "the connection was closed within the answer")
    }
}

/// Why a body could not be read to its end.
private final class BodyFailure: Sendable {
    private let state = Mutex<(any Error)?>(nil)

    var error: (any Error)? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
