import ServiceSupport
import Testing

/// Isolation note 4: nested namespaces would give root inside its capabilities back.
@Suite("Nesting", .serialized)
struct NestingTests {
    private static let kinds: [(String, String)] = [
        ("user", "0x10000000"), ("pid", "0x20000000"), ("net", "0x40000000"), ("ipc", "0x08000000"),
        ("uts", "0x04000000"), ("cgroup", "0x02000000"), ("mnt", "0x00020000"), ("time", "0x80"),
    ]

    private static let clone3 = """
        arguments = struct.pack("11Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
        child = call("clone3", ctypes.create_string_buffer(arguments), 88)
        if child == 0: os._exit(0)
        """

    private static func clone(_ flag: String) -> String {
        """
        child = call("clone", \(flag) | 17, 0, 0, 0, 0)
        if child == 0: os._exit(0)
        """
    }

    private static let attempts: [Attempt] =
        kinds.map { Attempt("unshare \($0.0)", #"call("unshare", \#($0.1)); return "ok""#, inside: "EPERM") }
        // 0x80 is part of the exit signal in clone(2): only clone3 and unshare know time namespaces.
        + kinds.filter { $0.0 != "time" }.map { Attempt("clone \($0.0)", clone($0.1), inside: "EPERM") }
        + [Attempt("clone3 user", clone3, inside: "ENOSYS")]
        + kinds.map {
            Attempt(
                "setns \($0.0)", #"call("setns", os.open("/proc/self/ns/\#($0.0)", os.O_RDONLY), 0)"#, inside: "EPERM",
                // Entering the user or time namespace one is in fails even for root.
                outside: $0.0 == "user" ? ["EINVAL"] : ["ok"])
        }
        + kinds.map { kind in
            let code = #"writable("/proc/sys/user/max_\#(kind.0)_namespaces")"#
            // The host's root may lack CAP_SYS_RESOURCE; the root of a namespace of its own has it.
            return Attempt(
                "allow nested \(kind.0)", code, inside: "EROFS", "EACCES", control: "call(\"unshare\", 0x10000000)\n" + code)
        }

    @Test("no namespace can be made or entered, as root or as a user")
    func seccomp() async throws {
        try await withService { service in
            try await service.hold(Self.attempts, in: try await service.create())
        }
    }

    @Test("without the filter, the namespace's own limits still refuse each kind")
    func limits() async throws {
        try await withUnfilteredPolicy { service in
            let id = try await service.create(["policy": "strict"])
            // A user namespace needs no capability: only its limit of 0 refuses it.
            let attempts = [
                Attempt("unshare user", #"call("unshare", 0x10000000); return "ok""#, inside: "ENOSPC"),
                Attempt("clone user", Self.clone("0x10000000"), inside: "ENOSPC"),
                Attempt("clone3 user", Self.clone3, inside: "ENOSPC"),
                Attempt("unshare user and net", #"call("unshare", 0x50000000); return "ok""#, inside: "ENOSPC"),
                Attempt("unshare net", #"call("unshare", 0x40000000); return "ok""#, inside: "EPERM"),
                Attempt("unshare mnt", #"call("unshare", 0x20000); return "ok""#, inside: "EPERM"),
                Attempt(
                    "raise a limit",
                    #"writable("/proc/sys/user/max_user_namespaces")"#, inside: "EROFS", "EACCES",
                    control: "call('unshare', 0x10000000)\nwritable('/proc/sys/user/max_user_namespaces')"),
                Attempt(
                    "remount /proc/sys",
                    #"call("mount", b"none", b"/proc/sys", 0, 0x1020, 0)"#, inside: "EPERM", outside: ["EINVAL", "ok"]),
                Attempt(
                    "regain CAP_SYS_RESOURCE",
                    """
                    header = struct.pack("Ii", 0x20080522, 0)
                    data = struct.pack("6I", 1 << 24, 1 << 24, 0, 0, 0, 0)
                    call(126, ctypes.create_string_buffer(header), ctypes.create_string_buffer(data))
                    """, inside: "EPERM",
                    control: "call('unshare', 0x10000000)\nassert int(status('CapEff'), 16) >> 24 & 1"),
            ]
            try await service.hold(attempts, in: id)
        }
    }

    @Test("interfaces can be listed, and no other netlink family opens")
    func netlink() async throws {
        try await withService { service in
            let families = [
                Attempt("interfaces", #"return [name for _, name in socket.if_nameindex()]"#, inside: "['lo']", outside: ["['lo']"])
            ] + [(2, "usersock"), (4, "sock_diag"), (6, "xfrm"), (9, "audit"), (12, "netfilter"), (15, "uevent"), (16, "generic"), (20, "rdma"), (21, "crypto")].map {
                number, name in
                Attempt("netlink \(name)", "socket.socket(16, 3, \(number))", inside: "EPROTONOSUPPORT", outside: ["ok", "EPROTONOSUPPORT"])
            }
            let id = try await service.create()
            try await service.hold(families, in: id)
            let opened = try await service.outcomes(of: families, at: .host).values.filter { $0 == "ok" }.count
            #expect(opened >= 3, "control: the kernel has families that the sandbox doesn't see")
            let change = [
                Attempt(
                    "lo down",
                    #"fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH22x", b"lo", 0))"#, inside: "EPERM"),
                Attempt(
                    "add an address",
                    #"fcntl.ioctl(socket.socket(), 0x8916, struct.pack("16sHH4s16x", b"lo", 2, 0, bytes([127, 9, 9, 9])))"#,
                    inside: "EPERM"),
            ]
            try await service.hold(change, in: id)
        }
    }
}
