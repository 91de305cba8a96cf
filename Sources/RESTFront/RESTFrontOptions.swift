public import FrontConnections

/// Where the front listens, and what it lets clients take.
public struct RESTFrontOptions: Sendable {
    public var host = "127.0.0.1"
    /// 0 for one that the system chooses.
    public var port = 0
    /// With it the port speaks TLS and nothing else.
    public var tls: FrontTLS?
    /// Origins of browser pages, exactly as browsers send them (`https://example.org`), that may attach
    /// over WebSocket beside the service's own.
    public var allowedOrigins: [String] = []
    /// Whether `/metrics` answers only those who show a token.
    public var metricsNeedToken = true
    /// What vouches for encrypted tunnels where that isn't trusted anyway, as PEM.
    public var tunnelAuthority: String?
    /// Connections above this are answered 503 and closed.
    public var maximumConnections = 10_000
    /// Requests that wait for something at a time; above this they are answered 429.
    public var maximumWaits = 8_192
    /// The largest JSON body.
    public var maximumBodyBytes = 1 << 20
    /// The largest body of a run, in which files come along.
    public var maximumRunBodyBytes = 16 << 20
    /// How many run bodies above `maximumBodyBytes` are taken in at a time.
    public var maximumLargeBodies = 8
    /// How often a streamed run says that it goes on.
    public var heartbeat: Duration = .seconds(15)
    /// The largest request target, and header field.
    public var maximumFieldBytes = 16 * 1024
    /// The largest head.
    public var maximumHeadBytes = 64 * 1024
    public var maximumFieldCount = 100
    /// How long a connection may be without a request, or take to send its head.
    public var headTimeout: Duration = .seconds(60)
    /// How long a request's body may take; stdin uploads excepted.
    public var bodyTimeout: Duration = .seconds(60)
    /// How much of each stream the answer of a waited-for exec holds.
    public var maximumOutputBytes: UInt64 = 8 << 20
    /// The largest piece that is read from a stream and handed to a socket at once.
    public var pieceBytes = 256 * 1024
    /// How long one wait for the engine lasts before it is asked again.
    public var waitStep: Duration = .seconds(15)

    public init() {}
}
