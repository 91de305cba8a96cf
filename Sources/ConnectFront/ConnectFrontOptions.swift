public import FrontConnections
import SandboxModel

/// Where the connect proxy listens, and what it lets clients and sandboxes take.
public struct ConnectFrontOptions: Sendable {
    public var host = "127.0.0.1"
    /// 0 for one that the system chooses.
    public var port = 0
    /// With it the port speaks TLS and nothing else.
    public var tls: FrontTLS?
    /// Connections above this are closed, and requests above it are answered 503.
    public var maximumConnections = 1024
    public var maximumRequests = 1024
    /// Requests under way to one sandbox.
    public var maximumRequestsOfSandbox = 256
    /// How long a connection may be without a request, take to send its head, or rest within its body.
    public var clientTimeout: Duration = .seconds(60)
    /// How long a server inside may take to begin its answer.
    public var answerTimeout: Duration = .seconds(300)
    /// How long open connections are left when the service shuts down.
    public var shutdownGrace: Duration = .seconds(2)

    public init() {}
}
