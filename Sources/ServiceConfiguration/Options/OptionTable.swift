import SandboxModel

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
        Group(title: "Connect proxy", options: connect),
        Group(title: "Modal SDKs", options: modal),
        Group(title: "Sandboxes", options: sandboxes),
        Group(title: "Images", options: images),
        Group(title: "Network", options: network),
        Group(title: "Tunnels", options: tunnels),
        Group(title: "Records and output", options: records),
        Group(title: "Secrets", options: secrets),
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

    private static let connect = [
        ServiceOption(
            "connect_listen", \.connectListen, .address,
            "Address and port of the connect proxy, which speaks TLS where the REST port does; port 0 takes a free one, and the same again after a restart."
        ),
        ServiceOption(
            "connect_url", \.connectURL, .optional(.connectAddress), unset: "where connect_listen is reached",
            "Where clients reach the connect proxy; with a host of *.NAME each port of a sandbox gets one of its own, and browsers keep sandboxes apart."
        ),
        ServiceOption(
            "connect_max_connections", \.connectMaximumConnections, .optional(.integer(1...100_000)),
            unset: "1024, or less where the descriptor limit is low",
            "The most connections to the connect proxy at a time, and the most requests under way."),
    ]

    private static let modal = [
        ServiceOption(
            "modal_listen", \.modalListen, .address,
            "Address and port of the Modal SDKs' protocol in plain text; port 0 takes a free one, and the same again after a restart."
        ),
        ServiceOption(
            "modal_tls_listen", \.modalTLSListen, .address,
            "Address and port of the same over TLS, with the REST port's certificate or one of the development CA."),
        ServiceOption(
            "modal_max_connections", \.modalMaximumConnections, .optional(.integer(1...100_000)),
            unset: "512, or less where the descriptor limit is low",
            "The most connections of Modal SDKs at a time; each process has one, and one for each sandbox that it works with."
        ),
        ServiceOption(
            "modal_python_directory", \.modalPythonDirectory, .optional(.absolutePath), unset: "none",
            "A directory with archives of python-build-standalone, from which images get a Python (add_python)."),
        ServiceOption(
            "modal_uv_image", \.modalUVImage, .optional(.imageReference), unset: "where clients say",
            "The image from which images get the program uv (uv_pip_install)."),
    ]

    private static let sandboxes = [
        ServiceOption(
            "policy_dir", \.policyDirectory, .optional(.absolutePath), unset: "none",
            "A directory with seccomp policies (NAME.json); default and strict take the place of those built in."),
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
        ServiceOption(
            "default_disk_mib", \.defaultDiskMiB, .optional(.integer(Resources.diskMiBRange)), unset: "none of its own",
            "Size of the disk of a sandbox that asks for none, in MiB; see docs/STORAGE.md for what it costs."),
        ServiceOption("hide_usr_local", \.hideUsrLocal, .flag, "Hide the host's /usr/local from sandboxes."),
        ServiceOption("overlay_method", \.overlayMethod, .choice, "How layers are mounted."),
    ]

    private static let images = [
        ServiceOption(
            "registry_mirrors", \.registryMirrors, .list(of: .registryPair), unset: "none",
            "Hosts that are asked for images before a registry, as REGISTRY=HOST; docker.io is Docker Hub."),
        ServiceOption(
            "registry_aliases", \.registryAliases, .list(of: .registryPair), unset: "none",
            "Hosts that are asked in a registry's place, as REGISTRY=HOST."),
        ServiceOption(
            "registry_plain_hosts", \.registryPlainHosts, .list(of: .registryHost), unset: "none",
            "Hosts, with their port, that are asked over plain HTTP; those at 127.0.0.0/8 and localhost are anyway."),
        ServiceOption(
            "registry_credentials", \.registryCredentials, .optional(.absolutePath), unset: "none",
            "A config.json of Docker's with names and passwords for registries; read as root, at the start."),
        ServiceOption(
            "registry_ca", \.registryCA, .optional(.absolutePath), unset: "none",
            "Certificates, in PEM, of authorities that registries are believed by beside the system's; read as root, at the start."
        ),
        ServiceOption(
            "image_max_mib", \.imageMaximumMiB, .integer(1...16_777_216),
            "The most that an image's files may take, and its layers as they are sent, in MiB."),
        ServiceOption(
            "image_max_entries", \.imageMaximumEntries, .integer(1...1_000_000_000),
            "The most files that an image may have."),
        ServiceOption(
            "upload_max_mib", \.uploadMaximumMiB, .integer(1...16_777_216),
            "The most that all files together may take that clients have sent ahead of what uses them, in MiB."),
        ServiceOption(
            "snapshot_max_layers", \.snapshotMaximumLayers, .integer(2...400),
            "The most layers that a snapshot may have; those of one that would have more become one."),
    ]

    private static let network = [
        ServiceOption(
            "network", \.network, .flag,
            "Whether sandboxes may have a network; without one they are all blocked, and the host's is left alone."),
        ServiceOption(
            "network_pool", \.networkPool, .addressPool,
            "Where instances take blocks of 8,192 addresses for sandboxes from, which only the host itself sees."),
        ServiceOption(
            "network_private_ranges", \.networkPrivateRanges, .list(of: .privateRange), unset: "none",
            "Private ranges that sandboxes may reach beside the internet, where their own policy allows it."),
        ServiceOption(
            "bucket_private_ranges", \.bucketPrivateRanges, .list(of: .bucketRange), unset: "none",
            "Private and loopback ranges where the S3 services of cloud_buckets may be, beside the internet; see docs/BUCKETS.md."
        ),
        ServiceOption(
            "network_ipv6", \.networkIPv6, .choice,
            "Whether sandboxes get IPv6: auto where the host has a default route and can forward it."),
        ServiceOption(
            "resolvers", \.resolvers, .list(of: .resolver), unset: "the host's, from /etc/resolv.conf",
            "DNS servers that names are resolved by, on behalf of sandboxes."),
        ServiceOption(
            "network_max_connections", \.networkMaximumConnections, .integer(1...1_000_000),
            "The most connections of one sandbox at a time."),
        ServiceOption(
            "network_max_connections_in_all", \.networkMaximumConnectionsInAll, .optional(.integer(1...100_000_000)),
            unset: "half of the kernel's nf_conntrack_max", "The most connections of all sandboxes together."),
        ServiceOption(
            "network_connections_per_second", \.networkConnectionsPerSecond, .integer(1...1_000_000),
            "The most new connections of one sandbox in a second."),
        ServiceOption(
            "network_packets_per_second", \.networkPacketsPerSecond, .integer(1...100_000_000),
            "The most packets that one sandbox sends in a second."),
    ]

    private static let tunnels = [
        ServiceOption(
            "tunnel_listen", \.tunnelListen, .ipAddress, "The address that tunnels listen at; 0.0.0.0 or :: for all."),
        ServiceOption(
            "tunnel_ports", \.tunnelPorts, .ports, "The ports that tunnels take."),
        ServiceOption(
            "tunnel_host", \.tunnelHost, .optional(.hostName), unset: "tunnel_listen, or this machine",
            "The name or address by which clients reach tunnels."),
        ServiceOption(
            "tunnel_domain", \.tunnelDomain, .optional(.hostName), unset: "none",
            "A domain whose names all lead here: encrypted tunnels are names below it, told apart by SNI on one port."),
        ServiceOption(
            "tunnel_domain_port", \.tunnelDomainPort, .integer(1024...65_535), "With tunnel_domain, that port."),
        ServiceOption(
            "tunnel_certificate", \.tunnelCertificate, .optional(.absolutePath),
            unset: "tls_certificate where its names fit, or one of the development CA",
            "The certificate of encrypted tunnels and those that lead to its root, in PEM; read as root."),
        ServiceOption(
            "tunnel_key", \.tunnelKey, .optional(.absolutePath), unset: "that of the certificate",
            "That certificate's unencrypted private key, in PEM; read as root."),
        ServiceOption(
            "max_tunnel_connections", \.maximumTunnelConnections, .optional(.integer(1...1_000_000)),
            unset: "10000, or what the descriptor limit allows", "The most connections through tunnels at a time."),
        ServiceOption(
            "max_connections_per_tunnel", \.maximumConnectionsPerTunnel, .integer(1...1_000_000),
            "The most of them through one tunnel."),
    ]

    private static let records = [
        ServiceOption(
            "retention_seconds", \.retentionSeconds, .seconds(0...315_360_000),
            "How long ended sandboxes and their output are kept; the last 10,000."),
        ServiceOption(
            "exec_spool_mib", \.execSpoolMiB, .integer(1...1_048_576),
            "Output kept of one exec, in MiB; at most sandbox_spool_mib."),
        ServiceOption(
            "sandbox_spool_mib", \.sandboxSpoolMiB, .integer(1...16_777_216), "Output kept of one sandbox, in MiB."),
        ServiceOption(
            "disk_reserve_mib", \.diskReserveMiB, .integer(0...1_073_741_824),
            "Free disk space that neither output nor sandboxes take, in MiB; see docs/STORAGE.md."),
    ]

    private static let secrets = [
        ServiceOption(
            "secret_keys_file", \.secretKeysFile, .optional(.absolutePath),
            unset: "secret-keys in the service's directory, made on the first start",
            "The keys that secrets are sealed with, the current one first; read as root. CORDON_SECRET_KEYS can hold them instead."
        )
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
