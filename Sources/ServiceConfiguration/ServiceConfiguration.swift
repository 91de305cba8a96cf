/// Every option of the service, by what it means; `OptionTable` says how each is named, read and checked.
public struct ServiceConfiguration: Sendable {
    // MARK: Instance

    public var dataDirectory = "/var/lib/cordon"
    public var runDirectory = "/run/cordon/default"
    /// nil: `cordon` where there is such an account, else an id that nobody has.
    public var user: String?

    // MARK: REST port

    public var listen = ListenAddress.standard
    /// nil: what the descriptor limit allows.
    public var maximumConnections: Int?
    /// nil: as many as there may be connections, up to 8,192.
    public var maximumWaits: Int?

    /// Origins of browser pages that may attach over WebSocket, as browsers send them.
    public var allowedOrigins: [String] = []
    public var tls = TLSMode.off
    /// With `files`: the server's certificate and those that lead to its root.
    public var tlsCertificate: String?
    public var tlsKey: String?
    /// With `development-ca`: further names of the server.
    public var tlsNames: [String] = []

    // MARK: Sandboxes

    public var policyDirectory: String?
    public var poolSize = 8
    public var poolIdleSize = 2
    public var poolIdleSeconds = 600
    public var maximumSandboxes = 4000
    public var defaultMemoryMiB = 1024
    public var defaultPids = 1024
    public var hideUsrLocal = false
    public var overlayMethod = OverlayMethod.auto

    // MARK: Records and output

    public var retentionSeconds = 86_400.0
    public var execSpoolMiB = 256
    public var sandboxSpoolMiB = 1024
    public var diskReserveMiB = 1024

    // MARK: Operations

    public var logLevel = LogLevel.info
    public var logFormat = LogFormat.text
    public var logsAccess = false
    public var metricsAuth = MetricsAuth.token

    public init() {}

    /// Where the service keeps its own records: its own, and nobody else's to read.
    public var stateDirectory: String { "\(dataDirectory)/service" }
}

/// Whether the REST port speaks TLS, and who vouches for it.
public enum TLSMode: String, Sendable, CaseIterable {
    case off
    case files
    case developmentCA = "development-ca"
}

/// How layers are mounted; the order is that of the launcher's numbers for them.
public enum OverlayMethod: String, Sendable, CaseIterable {
    case auto
    case descriptors
    case attachedClones = "attached-clones"
}

/// What a line of the log looks like.
public enum LogFormat: String, Sendable, CaseIterable {
    case text
    /// One object on each line.
    case json
}

/// Who may read `/metrics`.
public enum MetricsAuth: String, Sendable, CaseIterable {
    case token
    case none
}

/// The least severe thing that is logged.
public enum LogLevel: String, Sendable, CaseIterable {
    case trace, debug, info, notice, warning, error, critical
}
