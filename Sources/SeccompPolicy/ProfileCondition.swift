import Glibc

/// What `includes` and `excludes` are judged against: the native architecture, the running kernel, and the
/// capabilities that root in a sandbox holds.
struct ProfileCondition {
    var architectures: [String]
    var capabilities: [String]
    var minimumKernel: KernelVersion?

    init(reading value: ProfileValue) throws(SeccompPolicyError) {
        let members = try value.members(known: ["arches", "caps", "minKernel"])
        architectures = []
        for element in try members["arches"]?.elements() ?? [] {
            let name = try element.string()
            guard NativeArchitecture.goNames.contains(name) else {
                throw element.error(
                    "\(element.path): unknown architecture \"\(name)\"; ours is \"\(NativeArchitecture.goName)\"")
            }
            architectures.append(name)
        }
        capabilities = []
        for element in try members["caps"]?.elements() ?? [] {
            let name = try element.string()
            guard Self.capabilityNames.contains(name) else {
                throw element.error(
                    "\(element.path): unknown capability \"\(name)\"; they are written like \"CAP_CHOWN\"")
            }
            capabilities.append(name)
        }
        minimumKernel = nil
        if let version = members["minKernel"] {
            let text = try version.string()
            guard let parsed = KernelVersion(text) else {
                throw version.error("\(version.path): \"\(text)\" is no kernel version such as \"4.8\"")
            }
            minimumKernel = parsed
        }
    }

    /// As `includes`: everything it names must be true.
    var includesThisHost: Bool {
        (architectures.isEmpty || architectures.contains(NativeArchitecture.goName))
            && capabilities.allSatisfy(SeccompProfile.heldCapabilities.contains)
            && minimumKernel.map { $0 <= .running } ?? true
    }

    /// As `excludes`: anything it names suffices.
    var excludesThisHost: Bool {
        architectures.contains(NativeArchitecture.goName)
            || capabilities.contains(where: SeccompProfile.heldCapabilities.contains)
            || minimumKernel.map { $0 <= .running } ?? false
    }

    static let capabilityNames: Set<String> = Set(
        """
        CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE \
        NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT \
        SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE \
        AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ \
        PERFMON BPF CHECKPOINT_RESTORE
        """.split(separator: " ").map { "CAP_" + $0 })
}

/// The first two numbers of a kernel release, all that profiles compare.
struct KernelVersion: Comparable {
    var major: Int
    var minor: Int

    /// Reads the front of `6.18.44-suffix`; nil when it doesn't begin with two numbers.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1].prefix { $0.isNumber }) else {
            return nil
        }
        (self.major, self.minor) = (major, minor)
    }

    static func < (left: Self, right: Self) -> Bool { (left.major, left.minor) < (right.major, right.minor) }

    /// That of uname(2), or 0.0 should it be unreadable, with which no `minKernel` holds.
    static var running: KernelVersion {
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return KernelVersion(release) ?? KernelVersion(major: 0, minor: 0)
    }

    private init(major: Int, minor: Int) {
        (self.major, self.minor) = (major, minor)
    }
}
