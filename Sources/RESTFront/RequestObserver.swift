import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel
import Synchronization

/// Hears of every request once its answer is over. Called on hot paths.
public protocol RequestObserver: Sendable {
    func answered(_ request: AnsweredRequest)
}

/// A request that is over: nothing of what its client keeps to itself, as queries, bodies and secrets.
public struct AnsweredRequest: Sendable {
    public var requestID: String
    public var method: String
    /// The pattern that it was for, as in the contract; nil for none.
    public var route: String?
    public var status: Int
    /// Whether the answer was sent to its end.
    public var isWhole: Bool
    public var duration: Duration
    /// Of the answer's body.
    public var bytes: Int
    /// Whose token was shown; nil for none that is good.
    public var tokenID: String?
}

/// How much of what is bounded is taken.
public struct FrontLoad: Sendable {
    public var connections: Int
    public var waits: Int
}

/// What becomes known of a request on its way.
final class RequestAccount: Sendable {
    private struct State {
        var route: String?
        var tokenID: String?
        var bytes = 0
    }

    private let requestID: String
    private let method: String
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    init(_ request: Request, requestID: String) {
        self.requestID = requestID
        method = request.method.rawValue
    }

    func note(_ caller: Caller?) { state.withLock { $0.tokenID = caller?.tokenID } }

    func note(_ route: Route) { state.withLock { $0.route = route.pattern } }

    fileprivate func sent(_ bytes: Int) { state.withLock { $0.bytes += bytes } }

    /// The same body, of which every byte is counted as it is handed on; a short one, which goes out in one piece
    /// with its head, all at once.
    func counting(_ body: ResponseBody) -> ResponseBody {
        if let length = body.contentLength, length <= 64 * 1024 {
            sent(length)
            return body
        }
        return ResponseBody(contentLength: body.contentLength) { [self] writer in
            try await body.write(CountingWriter(writer: writer, account: self))
        }
    }

    func closed(status: Int, isWhole: Bool) -> AnsweredRequest {
        let state = state.withLock { $0 }
        return AnsweredRequest(
            requestID: requestID, method: method, route: state.route, status: status, isWhole: isWhole,
            duration: ContinuousClock.now - start, bytes: state.bytes, tokenID: state.tokenID)
    }
}

private struct CountingWriter: ResponseBodyWriter {
    var writer: any ResponseBodyWriter
    let account: RequestAccount

    mutating func write(_ buffer: ByteBuffer) async throws {
        account.sent(buffer.readableBytes)
        try await writer.write(buffer)
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws { try await writer.finish(trailingHeaders) }
}
