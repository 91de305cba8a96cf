import FrontConnections
import SandboxModel

/// What becomes known of an exchange on its way.
struct ExchangeAccount {
    let requestID = RequestID.mint()
    private let method: String
    private let start = ContinuousClock.now
    private var grant: ConnectGrant?
    var status = 0
    var isWebSocket = false
    var bytesIn = 0
    var bytesOut = 0

    init(_ request: RequestHead) { method = request.method }

    mutating func note(_ grant: ConnectGrant) { self.grant = grant }

    func closed(isWhole: Bool) -> AnsweredConnectRequest {
        AnsweredConnectRequest(
            requestID: requestID, method: method, sandbox: grant?.sandbox, port: grant?.port, status: status,
            isWebSocket: isWebSocket, isWhole: isWhole, duration: ContinuousClock.now - start, bytesIn: bytesIn,
            bytesOut: bytesOut)
    }
}
