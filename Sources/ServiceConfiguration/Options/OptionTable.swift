/// Every option of `cordond`, in groups.
public enum OptionTable {
    /// Options that belong together.
    public struct Group: Sendable {
        public let title: String
        public let options: [ServiceOption]
    }

    public static let groups = [
        Group(title: "Instance", options: instance),
        Group(title: "REST port", options: restPort),
        Group(title: "Sandboxes", options: sandboxes),
        Group(title: "Records and output", options: records),
        Group(title: "Operations", options: operations),
    ]

    public static let all = groups.flatMap(\.options)

    static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
    static let byFlag = Dictionary(uniqueKeysWithValues: all.map { ($0.flag, $0) })
    static let byVariable = Dictionary(uniqueKeysWithValues: all.map { ($0.variable, $0) })

    private static let instance = [
        ServiceOption(
            "data_dir", \.dataDirectory, .absolutePath,
            "Where sandboxes, output, images and records are kept, and credentials.json for clients."),
        ServiceOption(
            "run_dir", \.runDirectory, .absolutePath,
            "Where sockets and locks are; instances with different directories run side by side."),
        ServiceOption(
            "user", \.user, .optional(.account), unset: "cordon, or an id of its own", "The account to serve as."),
    ]

    private static let restPort = [
        ServiceOption(
            "listen", \.listen, .address,
            "Address and port of the REST API; port 0 takes a free one, and the same again after a restart."),
        ServiceOption(
            "max_connections", \.maximumConnections, .optional(.integer(1...100_000)),
            unset: "10000, or what the descriptor limit allows", "The most connections at a time."),
        ServiceOption(
            "max_waits", \.maximumWaits, .optional(.integer(1...100_000)), unset: "8192, or max_connections if less",
            "The most requests that wait for something at a time, or follow a stream."),
        ServiceOption(
            "allowed_origins", \.allowedOrigins, .list(of: .origin), unset: "none",
            "Origins of browser pages that may attach over WebSocket beside the service's own."),
        ServiceOption(
            "tls", \.tls, .choice,
            "Whether the REST port speaks TLS, with a certificate from files or of a CA of the service's own."),
        ServiceOption(
            "tls_certificate", \.tlsCertificate, .optional(.absolutePath), unset: "none",
            "With tls: files, the server's certificate and those that lead to its root, in PEM; read as root."),
        ServiceOption(
            "tls_key", \.tlsKey, .optional(.absolutePath), unset: "none",
            "With tls: files, the certificate's unencrypted private key, in PEM; read as root."),
        ServiceOption(
            "tls_names", \.tlsNames, .list(of: .hostName), unset: "none",
            "With tls: development-ca, names of the server beside localhost, the host's name and the listen address."),
    ]

    private static let sandboxes = [
        ServiceOption(
            "policy_dir", \.policyDirectory, .optional(.absolutePath), unset: "none",
            "A directory of further seccomp policies (NAME.json)."),
        ServiceOption("pool_size", \.poolSize, .integer(0...256), "How many sandboxes are kept prepared."),
        ServiceOption(
            "pool_idle_size", \.poolIdleSize, .integer(0...256),
            "How many of them are left once nothing was started for a while."),
        ServiceOption(
            "pool_idle_seconds", \.poolIdleSeconds, .integer(1...86_400), "How long that while is, in seconds."),
        ServiceOption(
            "max_sandboxes", \.maximumSandboxes, .integer(1...4000), "The most sandboxes that run at a time."),
        ServiceOption(
            "default_memory_mib", \.defaultMemoryMiB, .integer(16...16_777_216),
            "Memory limit of a sandbox that asks for none, in MiB."),
        ServiceOption(
            "default_pids", \.defaultPids, .integer(2...4_000_000),
            "Limit of processes of a sandbox that asks for none."),
        ServiceOption("hide_usr_local", \.hideUsrLocal, .flag, "Hide the host's /usr/local from sandboxes."),
        ServiceOption("overlay_method", \.overlayMethod, .choice, "How layers are mounted."),
    ]

    private static let records = [
        ServiceOption(
            "retention_seconds", \.retentionSeconds, .seconds(0...315_360_000),
            "How long ended sandboxes and their output are kept."),
        ServiceOption(
            "exec_spool_mib", \.execSpoolMiB, .integer(1...1_048_576),
            "Output kept of one exec, in MiB; at most sandbox_spool_mib."),
        ServiceOption(
            "sandbox_spool_mib", \.sandboxSpoolMiB, .integer(1...16_777_216), "Output kept of one sandbox, in MiB."),
        ServiceOption(
            "disk_reserve_mib", \.diskReserveMiB, .integer(0...1_073_741_824),
            "Free disk space that output never takes, in MiB."),
    ]

    private static let operations = [
        ServiceOption("log_level", \.logLevel, .choice, "The least severe messages that are logged, to stderr."),
        ServiceOption("log_format", \.logFormat, .choice, "Lines for people, or a JSON object on each line."),
        ServiceOption(
            "access_log", \.logsAccess, .flag, "Log every request at info; otherwise they are logged at debug."),
        ServiceOption(
            "metrics_auth", \.metricsAuth, .choice, "Whether /metrics takes a token, as the API does, or none."),
    ]
}
