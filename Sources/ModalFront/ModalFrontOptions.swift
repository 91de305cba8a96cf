public import FrontConnections

/// Where the front listens, and how much it takes on.
public struct ModalFrontOptions: Sendable {
    public var host = "127.0.0.1"
    /// 0 for one that the system chooses.
    public var port = 0
    public var tlsHost = "127.0.0.1"
    public var tlsPort = 0
    /// What the second of the two proves who it is with.
    public var tls: FrontTLS
    public var maximumConnections = 512
    /// The most streams of output that are read, and files that are worked on, at a time.
    public var maximumReaders = 1024
    /// The most bytes of requests in memory.
    public var maximumRequestBytes = 512 << 20
    public var maximumCallsOfConnection = 2000
    /// The most that one read gives.
    public var pieceBytes = 256 * 1024
    /// How long calls that are under way get at the end.
    public var shutdownGrace: Duration = .seconds(2)

    public init(tls: FrontTLS) { self.tls = tls }
}
