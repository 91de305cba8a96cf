public import SandboxModel

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

    // MARK: Connect proxy

    public var connectListen = ListenAddress.ephemeral
    /// nil: where the listener is reached.
    public var connectURL: ConnectAddress?
    /// nil: what the descriptor limit allows.
    public var connectMaximumConnections: Int?

    // MARK: Modal SDKs

    public var modalListen = ListenAddress.ephemeral
    public var modalTLSListen = ListenAddress.ephemeral
    /// nil: what the descriptor limit allows.
    public var modalMaximumConnections: Int?
    /// Where archives of python-build-standalone are.
    public var modalPythonDirectory: String?
    /// The image from which builds copy `uv`; where clients say without one.
    public var modalUVImage: String?

    // MARK: Sandboxes

    public var policyDirectory: String?
    public var poolSize = 8
    public var poolIdleSize = 2
    public var poolIdleSeconds = 600
    public var maximumSandboxes = 4000
    public var defaultMemoryMiB = 1024
    public var defaultPids = 1024
    public var defaultDiskMiB: Int?
    public var hideUsrLocal = false
    public var overlayMethod = OverlayMethod.auto

    // MARK: Images

    /// `REGISTRY=HOST`: hosts that are asked before a registry, in order.
    public var registryMirrors: [String] = []
    /// `REGISTRY=HOST`: the host that is asked in a registry's place.
    public var registryAliases: [String] = []
    public var registryPlainHosts: [String] = []
    /// A `config.json` of Docker's.
    public var registryCredentials: String?
    public var registryCA: String?
    public var imageMaximumMiB = 16_384
    public var imageMaximumEntries = 2_000_000
    /// Of all that clients have sent ahead.
    public var uploadMaximumMiB = 65_536
    public var snapshotMaximumLayers = 400

    // MARK: Network

    public var network = true
    public var networkPool = "100.64.0.0/10"
    /// Parts of the private ranges that sandboxes may reach.
    public var networkPrivateRanges: [String] = []
    /// Parts of the private ranges, and of loopback ones, where S3 services may be.
    public var bucketPrivateRanges: [String] = []
    public var networkIPv6 = NetworkIPv6.auto
    /// DNS servers; none means the host's.
    public var resolvers: [String] = []
    public var networkMaximumConnections = 4096
    public var networkMaximumConnectionsInAll: Int?
    public var networkConnectionsPerSecond = 500
    public var networkPacketsPerSecond = 200_000

    // MARK: Tunnels

    public var tunnelListen = "127.0.0.1"
    public var tunnelPorts = PortRange(lowest: 20_000, highest: 29_999)
    /// nil: the address that tunnels listen at, as this machine reaches it.
    public var tunnelHost: String?
    /// nil: each tunnel has a port of its own.
    public var tunnelDomain: String?
    public var tunnelDomainPort = 7748
    /// nil: the development CA's.
    public var tunnelCertificate: String?
    public var tunnelKey: String?
    /// nil: what the descriptor limit allows.
    public var maximumTunnelConnections: Int?
    public var maximumConnectionsPerTunnel = 2_000

    // MARK: Records and output

    public var retentionSeconds = 86_400.0
    public var execSpoolMiB = 256
    public var sandboxSpoolMiB = 1024
    public var diskReserveMiB = 1024

    // MARK: Secrets

    /// nil: the file that the service makes for itself.
    public var secretKeysFile: String?

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

/// Whether sandboxes get IPv6.
public enum NetworkIPv6: String, Sendable, CaseIterable {
    case auto
    case on
    case off
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
