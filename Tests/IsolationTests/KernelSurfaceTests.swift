import Foundation
import ServiceSupport
import Testing

/// The escape checklist, sections B–D: attempt by attempt, with what comes of it outside.
@Suite("The kernel's surface", .serialized)
struct KernelSurfaceTests {
    private static let mounts: [Attempt] = [
        Attempt("mount", #"call("mount", b"none", b"/mnt", b"tmpfs", 0, 0)"#, inside: "EPERM"),
        Attempt("mount proc", #"call("mount", b"none", b"/mnt", b"proc", 0, 0)"#, inside: "EPERM"),
        Attempt("mount overlay", #"call("mount", b"none", b"/mnt", b"overlay", 0, b"lowerdir=/usr:/etc")"#, inside: "EPERM"),
        Attempt("bind", #"call("mount", b"/", b"/mnt", 0, 0x1000, 0)"#, inside: "EPERM"),
        Attempt("remount writable", #"call("mount", b"none", b"/proc", 0, 0x1020, 0)"#, inside: "EPERM"),
        Attempt("unmount", #"call("umount2", b"/proc", 2)"#, inside: "EPERM"),
        Attempt("fsopen", #"call("fsopen", b"tmpfs", 0)"#, inside: "EPERM"),
        Attempt("open_tree", #"call("open_tree", -100, b"/", 1)"#, inside: "EPERM"),
        Attempt("mount_setattr", #"call("mount_setattr", -100, b"/proc", 0, ctypes.create_string_buffer(struct.pack("QQQQ", 0, 1, 0, 0)), 32)"#, inside: "EPERM"),
        Attempt("move_mount", #"call("move_mount", -100, b"/proc", -100, b"/mnt", 0)"#, inside: "EPERM"),
        Attempt("pivot_root", #"call("pivot_root", b"/", b"/")"#, inside: "EPERM", outside: nil),
        Attempt("statmount", #"call("statmount", 0, 0, 0, 0)"#, inside: "ENOSYS", "EPERM", outside: nil),
    ]
    private static let files: [Attempt] = [
        Attempt("a handle", #"call("name_to_handle_at", -100, b"/", ctypes.create_string_buffer(struct.pack("II", 128, 0) + bytes(128)), ctypes.byref(ctypes.c_int(0)), 0)"#, inside: "EPERM"),
        Attempt("open by handle", #"call("open_by_handle_at", -100, ctypes.create_string_buffer(struct.pack("IIII", 8, 1, 2, 0)), 0)"#, inside: "EPERM", outside: nil),
        Attempt("character device", "import tempfile\npath = tempfile.mkdtemp() + '/x'\nos.mknod(path, 0o020666, os.makedev(1, 3))\nos.unlink(path)", inside: "EPERM"),
        Attempt("block device", "import tempfile\npath = tempfile.mkdtemp() + '/x'\nos.mknod(path, 0o060666, os.makedev(7, 0))\nos.unlink(path)", inside: "EPERM"),
        Attempt("trusted attribute", "import tempfile\npath = tempfile.mkdtemp()\nos.setxattr(path, 'trusted.overlay.opaque', b'y')\nos.rmdir(path)", inside: "EPERM"),
        Attempt("mode of a device", "os.chmod('/dev/null', 0o666)", inside: "EPERM"),
        Attempt("fanotify", #"call("fanotify_init", 0, 0)"#, inside: "EPERM"),
        Attempt("an id beyond the range", "os.setresuid(65536, 65536, 65536)", inside: "EINVAL", "EPERM"),
        Attempt("a group beyond the range", "os.setresgid(100000, 100000, 100000)", inside: "EINVAL", "EPERM"),
        Attempt("a file to an id beyond", "import tempfile\npath = tempfile.mkdtemp()\nos.chown(path, 65536, 65536)\nos.rmdir(path)", inside: "EINVAL", "EPERM"),
        Attempt("the host's name", "socket.sethostname('mine')", inside: "EPERM"),
    ]
    private static let calls: [Attempt] =
        [
            "bpf", "perf_event_open", "init_module", "finit_module", "delete_module", "keyctl", "quotactl",
            "kcmp", "process_madvise", "pidfd_getfd", "memfd_secret", "move_pages", "syslog", "swapon", "lookup_dcookie",
        ].map { Attempt($0, #"call("\#($0)", -1, 0, 0, 0, 0, 0)"#, inside: "EPERM", outside: nil) }
        + ["io_uring_setup", "io_setup"].map { Attempt($0, #"call("\#($0)", 0, 0)"#, inside: "ENOSYS", outside: nil) }
        // Of these no control: on the host they would act. SeccompPolicyTests has the filter's own verdict.
    private static let uncontrolled: [Attempt] =
        ["reboot", "kexec_load", "kexec_file_load", "settimeofday", "clock_settime", "adjtimex", "acct", "vhangup", "iopl", "ioperm", "userfaultfd"]
        .map { Attempt($0, #"call("\#($0)", 0, 0, 0, 0, 0)"#, inside: "EPERM") }

    @Test("mounts, devices, handles and ids beyond the sandbox's are refused")
    func refused() async throws {
        try await withService { service in
            let id = try await service.create()
            try await service.hold(Self.mounts + Self.files + Self.calls, in: id)
            for user in ["0", "1000"] {
                let found = try await service.outcomes(of: Self.uncontrolled, at: .sandbox(id, user: user))
                for attempt in Self.uncontrolled {
                    #expect(attempt.inside.contains(found[attempt.name] ?? ""), "\(attempt.name): \(found[attempt.name] ?? "")")
                }
            }
        }
    }

    @Test("without the filter, the kernel itself refuses what needs the host's rights")
    func withoutFilter() async throws {
        try await withUnfilteredPolicy { service in
            let id = try await service.create(["policy": "strict"])
            let known: Set<String> = ["statmount", "kcmp", "process_madvise", "move_pages", "memfd_secret", "a handle", "quotactl", "syslog", "io_uring_setup", "io_setup", "keyctl", "pidfd_getfd"]
            for user in ["0", "1000"] {
                let attempts = (Self.mounts + Self.files + Self.calls).filter { !known.contains($0.name) }
                let found = try await service.outcomes(of: attempts, at: .sandbox(id, user: user))
                for attempt in attempts {
                    let outcome = found[attempt.name] ?? ""
                    #expect(outcome != "ok" && outcome.hasPrefix("E"), "\(attempt.name) as \(user): \(outcome)")
                }
            }
        }
    }

    @Test("of all socket families, only local ones, IP and route open")
    func sockets() async throws {
        let families: [(String, String)] = [
            ("AF_ALG", "38, 5, 0"), ("AF_PACKET", "17, 3, 768"), ("AF_VSOCK", "40, 1, 0"), ("AF_KEY", "15, 3, 2"),
            ("AF_RXRPC", "33, 2, 2"), ("AF_TIPC", "30, 5, 0"), ("AF_RDS", "21, 5, 0"), ("AF_XDP", "44, 3, 0"),
            ("AF_CAN", "29, 3, 1"), ("AF_BLUETOOTH", "31, 3, 1"), ("AF_NFC", "39, 5, 0"), ("AF_SMC", "43, 1, 0"),
            ("raw", "2, 3, 255"), ("raw for IPv6", "10, 3, 58"), ("SCTP", "2, 1, 132"), ("DCCP", "2, 6, 33"),
            ("MPTCP", "2, 1, 262"), ("UDP-Lite", "2, 2, 136"), ("SOCK_PACKET", "2, 10, 768"),
        ]
        let attempts = families.map {
            Attempt($0.0, "call(41, \($0.1))", inside: "EAFNOSUPPORT", "EPERM", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT")
        }
        try await withService { service in
            let id = try await service.create()
            for user in ["0", "1000"] {
                let found = try await service.outcomes(of: attempts, at: .sandbox(id, user: user))
                for attempt in attempts { #expect(attempt.inside.contains(found[attempt.name] ?? ""), "\(attempt.name): \(found[attempt.name] ?? "")") }
            }
            let outside = try await service.outcomes(of: attempts, at: .host)
            #expect(outside.values.filter { $0 == "ok" }.count >= 4, "control: \(outside)")
            let pass = ["2, 1, 0", "2, 2, 0", "10, 1, 0", "1, 1, 0", "16, 3, 0"].map { Attempt($0, "call(41, \($0))", inside: "ok") }
            #expect(try await service.outcomes(of: pass, at: .sandbox(id, user: "1000")).values.allSatisfy { $0 == "ok" })
        }
    }

    /// Opens every file of /proc and /sys but processes' own, the way that is asked for.
    private static let sweep = """
        found = []
        for top in ["/proc", "/sys"]:
            for directory, below, files in os.walk(top):
                if directory == "/proc": below[:] = [name for name in below if not name.isdigit() and name not in ("self", "thread-self")]
                for name in files:
                    path = directory + "/" + name
                    if not stat.S_ISREG(os.lstat(path).st_mode): continue
                    try: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                    except OSError: continue
                    found.append(path)
        print(json.dumps(found))
        """

    @Test("no file of /proc or /sys opens for writing but a process's own")
    func kernelFiles() async throws {
        try await withService { service in
            let id = try await service.create()
            for user in ["0", "1000"] {
                #expect(try await service.probe(Self.sweep, at: .sandbox(id, user: user)) == "[]\n")
            }
            let outside = try JSONSerialization.jsonObject(with: Data(try await service.probe(Self.sweep, at: .host).utf8)) as? [String]
            #expect((outside?.count ?? 0) > 100, "control: on the host there are many")
            #expect(outside?.contains("/proc/sys/kernel/core_pattern") == true)
        }
    }

    @Test("what tells of the host reads as empty, and of sysfs only what programs need is there")
    func masked() async throws {
        try await withService { service in
            let id = try await service.create()
            var attempts = ["cmdline", "interrupts", "kallsyms", "kpagecount", "kpageflags", "timer_list", "vmallocinfo", "kcore", "modules"]
                .filter { FileManager.default.fileExists(atPath: "/proc/\($0)") }
                .map { Attempt($0, "return len(read('/proc/\($0)', 16)) > 0", inside: "False", outside: ["True"]) }
            attempts += ["block", "bus", "dev", "firmware", "module", "power", "kernel/notes", "kernel/vmcoreinfo", "kernel/btf", "kernel/slab", "fs/ext4", "class/block", "devices/pci0000:00"]
                .filter { FileManager.default.fileExists(atPath: "/sys/\($0)") }
                .map { Attempt("/sys/\($0)", "os.stat('/sys/\($0)')", inside: "ENOENT") }
            attempts.append(Attempt("kernel log", "return len(os.read(os.open('/proc/kmsg', os.O_RDONLY | os.O_NONBLOCK), 1))", inside: "0", outside: nil, control: "os.open('/proc/kmsg', os.O_RDONLY | os.O_NONBLOCK)"))
            #expect(attempts.count > 12)
            try await service.hold(attempts, in: id)
            let shown = try await service.run(["sh", "-c", "cd /sys; echo *; echo class/* class/net/*; cat class/net/lo/mtu; cat devices/system/cpu/online >/dev/null && ls fs/cgroup; nproc >/dev/null && lscpu >/dev/null && echo well"], in: id)
            #expect(shown.stdout == "class devices fs kernel\nclass/net class/net/lo\n65536\nwell\n", "\(shown)")
        }
    }
}
