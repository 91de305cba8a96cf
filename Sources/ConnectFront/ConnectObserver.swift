public import SandboxModel

/// Hears of every request that the connect proxy has answered. Called on event loops.
public protocol ConnectObserver: Sendable {
    func answered(_ request: AnsweredConnectRequest)
}

/// A request that is over: neither its address nor its fields, which may hold secrets.
public struct AnsweredConnectRequest: Sendable {
    public var requestID: String
    public var method: String
    /// Where it went to; nil where it showed no token that is good.
    public var sandbox: SandboxID?
    public var port: UInt16?
    /// Of the answer; 0 where the client left before.
    public var status: Int
    /// Whether it became a WebSocket.
    public var isWebSocket: Bool
    /// Whether the answer went out to its end.
    public var isWhole: Bool
    public var duration: Duration
    public var bytesIn: Int
    public var bytesOut: Int
}
