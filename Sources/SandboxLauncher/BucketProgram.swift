import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The program that shows a bucket as a file system (rclone), and how it is told which.
package struct BucketProgram {
    private static let programs = ["/usr/bin/rclone", "/usr/local/bin/rclone"]
    /// What it may take, together with what it buffers of files that are being written: 5 MiB for each of two parts.
    static let limits = GroupLimits(
        memoryBytes: 256 << 20, cpuMillicores: 1000, cpuWeightMillicores: 500, pids: 64)
    /// Its own root's places.
    static let settings = "etc/rclone.conf"
    static let mountPoint = "mnt"
    static let helpers = "helpers"
    private static let remote = "bucket"
    private static let nobodys = ".cordon-is-this-a-bucket/"

    let order: BucketOrder
    /// Whom files belong to.
    let owner: UInt32

    package init(order: BucketOrder, owner: UInt32) {
        self.order = order
        self.owner = owner
    }

    /// Throws `failedPrecondition` where this host has none.
    static func path() throws(Failure) -> String {
        guard let path = programs.first(where: { access($0, X_OK) == 0 }) else {
            throw Failure(.failedPrecondition, "cloud_buckets takes rclone, of the package rclone, which isn't there")
        }
        guard access("/dev/fuse", R_OK | W_OK) == 0 else {
            throw Failure(.failedPrecondition, "cloud_buckets takes FUSE, and there is no /dev/fuse")
        }
        return path
    }

    /// What it is to do.
    package enum Task: Sendable {
        /// Ask once for what lies below a name that nobody uses: the answer is small however large the bucket is, and tells
        /// whether there is one, and access to it.
        case ask
        case serve
    }

    /// Without credentials, which aren't anybody's to see in a command line.
    package func arguments(program: String, _ task: Task) -> [String] {
        let mount = order.mount
        let place = "\(Self.remote):\(mount.bucket)/" + (mount.prefix.map { "\($0)/" } ?? "")
        var arguments = [program]
        switch task {
        case .ask: arguments += ["lsf", place + Self.nobodys]
        case .serve: arguments += ["mount", place, "/\(Self.mountPoint)"] + serving
        }
        return arguments + [
            "--config", "/\(Self.settings)", "--cache-dir", "/",
            // A service that doesn't answer is an error of the call that waits.
            "--contimeout", "5s", "--timeout", "10s", "--low-level-retries", task == .ask ? "1" : "2", "--retries", "1",
            "--log-level", "ERROR",
        ]
    }

    private var serving: [String] {
        var options = [
            "--allow-other", "--default-permissions", "--uid", "\(owner)", "--gid", "\(owner)", "--umask", "022",
            "--dir-perms", "0755", "--file-perms", "0644",
            // No file is kept on a disk: what is written goes out in parts, from the first byte to the last.
            "--vfs-cache-mode", "off", "--use-server-modtime", "--dir-cache-time", "5s", "--attr-timeout", "1s",
            "--poll-interval", "0", "--buffer-size", "1M", "--max-read-ahead", "128k", "--use-mmap",
        ]
        if order.mount.isReadOnly { options.append("--read-only") }
        return options
    }

    /// No proxy, nothing of the launcher's own.
    package var environment: [String] {
        // A static Swift program, as the helper is, needs no /proc when it is told its root.
        [
            "PATH=/\(Self.helpers)", "HOME=/", "GODEBUG=netdns=go", "GOMEMLIMIT=160MiB", "SWIFT_ROOT=/",
            // For the helper (`DeviceHandover` in SandboxShim).
            "CORDON_SERVES_BUCKET=1",
        ]
    }

    /// The file with its settings. No value can hold the end of a line, a quote or a reference to another one.
    package var settings: String {
        let mount = order.mount
        let isAmazons = mount.endpoint == nil
        var lines = [
            "[\(Self.remote)]", "type = s3", "provider = \(isAmazons ? "AWS" : "Other")", "env_auth = false",
            "region = \(mount.region ?? .usual)", "no_check_bucket = true", "list_version = 2", "chunk_size = 5Mi",
            "upload_concurrency = 2", "force_path_style = \(mount.isPathStyle)",
            // Amazon refuses others where a bucket's owner has all that is in it.
            "acl = \(isAmazons ? "bucket-owner-full-control" : "private")",
        ]
        if let endpoint = mount.endpoint { lines.append("endpoint = \(endpoint)") }
        if mount.isRequesterPaid { lines.append("requester_pays = true") }
        if let credentials = order.credentials {
            lines += ["access_key_id = \(credentials.keyID)", "secret_access_key = \(credentials.secretKey)"]
            if let token = credentials.sessionToken { lines.append("session_token = \(token)") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What its words about a question that failed come to. They may hold whatever a service has said, and aren't passed on.
    package static func reason(in words: String) -> String {
        let known: [([String], String)] = [
            (["operation not permitted"], "its endpoint has an address that buckets may not reach"),
            (["NoSuchBucket", "directory not found"], "there is no such bucket"),
            (
                [
                    "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "status code: 403",
                    "status code: 401",
                ],
                "its service refuses access"
            ),
            (["no such host", "server misbehaving"], "the name of its endpoint doesn't resolve"),
            (
                ["connection refused", "timeout", "deadline exceeded", "unreachable", "no route"],
                "its endpoint doesn't answer"
            ),
            (["certificate", "tls:"], "its endpoint can't prove who it is (TLS)"),
        ]
        return known.first { $0.0.contains { words.contains($0) } }?.1 ?? "its endpoint doesn't answer as S3 does"
    }
}

extension String {
    /// Whether these bytes are in it.
    fileprivate func contains(_ part: String) -> Bool {
        let (bytes, wanted) = (Array(utf8), Array(part.utf8))
        guard bytes.count >= wanted.count else { return false }
        return (0...(bytes.count - wanted.count)).contains { bytes[$0..<($0 + wanted.count)].elementsEqual(wanted) }
    }
}
