import Glibc
import SeccompPolicy
import Testing

@Suite("In a process under the filter")
struct RefusedCallTests {
    struct Case {
        var name: String
        var arguments: [UInt64]
        var inDefault: Int32
        var inStrict: Int32

        init(_ name: String, _ arguments: [UInt64] = [], _ inDefault: Int32, strict: Int32? = nil) {
            (self.name, self.arguments, self.inDefault) = (name, arguments, inDefault)
            inStrict = strict ?? inDefault
        }
    }

    private static let high: UInt64 = 0xdead_beef_0000_0000
    private static let unsupported = EAFNOSUPPORT

    /// Every namespace flag by itself: NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    private static let namespaceFlags: [UInt64] = [
        0x20000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000,
    ]

    private static let namespaces: [Case] =
        namespaceFlags.flatMap { flag in
            [
                Case("clone", [flag | 17], EPERM), Case("clone", [flag | 17 | high], EPERM),
                Case("unshare", [flag], EPERM), Case("setns", [0, flag], EPERM),
            ]
        } + [Case("unshare", [0x80], EPERM), Case("unshare", [0], EPERM), Case("clone3", [0, 88], ENOSYS)]

    private static let sockets: [Case] =
        [
            // AX25 … MAX: AF_KEY 15, PACKET 17, RDS 21, CAN 29, TIPC 30, BLUETOOTH 31, RXRPC 33, ALG 38, NFC 39,
            // VSOCK 40, SMC 43, XDP 44
            3, 5, 9, 15, 17, 21, 29, 30, 31, 33, 38, 39, 40, 43, 44, 45,
        ].flatMap { (family: UInt64) in
            [
                Case("socket", [family, 3, 0], unsupported), Case("socket", [family | high, 3, 0], unsupported),
                Case("socketpair", [family, 1, 0, 0], unsupported),
            ]
        }
        + [6, 9, 12, 4, 5, 20, 21].map { (netlink: UInt64) in  // XFRM AUDIT NETFILTER SOCK_DIAG NFLOG RDMA CRYPTO
            Case("socket", [16, 3, netlink], EPROTONOSUPPORT, strict: unsupported)
        }
        + [(132, 5), (132, 1), (33, 6), (262, 1), (136, 2), (255, 2), (0, 5), (0, 10), (0x300, 10)].flatMap {
            (protocolNumber: UInt64, type: UInt64) in
            [2, 10].map { (family: UInt64) in
                Case("socket", [family, type, protocolNumber], EPROTONOSUPPORT, strict: unsupported)
            }
        }
        + [
            Case("socket", [2, 3, 1], EPERM, strict: unsupported),
            Case("socket", [10, 0x80803, 58], EPERM, strict: unsupported),
            Case("socket", [2 | high, 3 | high, 255], EPERM, strict: unsupported),
            Case("socket", [16, 3, 0], 0, strict: unsupported),
            Case("socket", [16, 0x80002, 0], 0, strict: unsupported),
            Case("socket", [2, 0x80801, 0], 0, strict: unsupported),
            Case("socket", [2, 1, 6], 0, strict: unsupported),
            Case("socket", [2 | high, 2 | high, 17 | high], 0, strict: unsupported),
            Case("socket", [1, 1, 0], 0),
            Case("socket", [1 | high, 0x80002, 0], 0),
            Case("socketpair", [1, 1, 0, 0], EFAULT),
            Case("socketpair", [2, 1, 0, 0], unsupported),
            Case("setsockopt", [0, 6, 31, 0, 0], ENOPROTOOPT, strict: ENOTSOCK),
            Case("setsockopt", [0, 17 | high, 100 | high, 0, 0], ENOPROTOOPT, strict: ENOTSOCK),
            Case("setsockopt", [0, 1, 2, 0, 0], ENOTSOCK),
        ]

    private static let terminals: [Case] = [
        // Standard input is /dev/null: what the filter lets through ends in ENOTTY.
        Case("ioctl", [0, 0x5412, 0], EPERM), Case("ioctl", [0, 0x5412 | high, 0], EPERM),
        Case("ioctl", [0, 0x5412 | 1 << 32, 0], EPERM), Case("ioctl", [0, 0x541c, 0], EPERM),
        Case("ioctl", [0, 0x541c | high, 0], EPERM), Case("ioctl", [0, 0x5423, 0], EPERM),
        Case("ioctl", [0, 0x540e, 0], ENOTTY), Case("ioctl", [0, 0x5413, 0], ENOTTY),
        Case("ioctl", [0, 0x5401 | high, 0], ENOTTY),
    ]

    private static let kernel: [Case] =
        [
            "bpf", "perf_event_open", "userfaultfd", "kexec_load", "kexec_file_load", "init_module", "finit_module",
            "delete_module", "add_key", "request_key", "keyctl", "lookup_dcookie", "quotactl", "quotactl_fd",
            "swapon", "swapoff", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "acct", "vhangup",
            "nfsservctl", "memfd_secret", "pidfd_getfd", "process_madvise", "kcmp", "open_by_handle_at",
            "name_to_handle_at", "fanotify_init", "fanotify_mark", "syslog", "mount", "umount2", "pivot_root",
            "fsopen", "fsconfig", "fsmount", "fspick", "move_mount", "open_tree", "open_tree_attr", "mount_setattr",
            "move_pages", "migrate_pages", "mbind", "reboot", "sethostname", "iopl", "ioperm", "uselib", "ustat",
            "sysfs", "modify_ldt",
        ].map { Case($0, [0, 0, 0, 0, 0, 0], EPERM) }
        + [
            "io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup", "io_submit", "io_getevents",
            "io_pgetevents", "io_destroy", "io_cancel", "statmount", "listmount", "cachestat", "lsm_get_self_attr",
        ].map { Case($0, [0, 0, 0, 0, 0, 0], ENOSYS) }

    private static let process: [Case] = [
        Case("personality", [0xffff_ffff], 0, strict: EPERM), Case("personality", [0], 0, strict: EPERM),
        Case("personality", [0xffff_ffff | high], 0, strict: EPERM),
        Case("personality", [0x40000], EPERM), Case("personality", [0x40000 | high], EPERM),
        Case("personality", [0x0400_0000], EPERM),
        Case("mknodat", [0, 0, 0x2000 | 0o666, 0x103], EPERM), Case("mknodat", [0, 0, 0x6000 | 0o666, 0x700], EPERM),
        Case("mknodat", [0, 0, 0x2000 | 1 << 16, 0], EPERM), Case("mknodat", [0, 0, 0x1000, 0], EFAULT, strict: EPERM),
        Case("mknod", [0, 0x2000, 0], EPERM), Case("mknod", [0, 0x8000, 0], EFAULT, strict: EPERM),
        Case("chroot", [0], EFAULT, strict: EPERM), Case("ptrace", [16, 0x7fff_ffff], ESRCH, strict: EPERM),
        Case("process_vm_readv", [0, 0, 0, 0, 0, 1], EINVAL, strict: EPERM),
        Case("sched_setscheduler", [0, 0, 0], EINVAL), Case("sched_setscheduler", [0, 0x4000_0003, 0], EINVAL),
        Case("sched_setscheduler", [0, 1, 0], EINVAL, strict: EPERM),
        Case("sched_setattr", [0, 0, 1], EINVAL, strict: EPERM),
        Case("shmget", [0, 0, 0], EINVAL, strict: EPERM), Case("inotify_init1", [1], EINVAL, strict: EPERM),
        Case("mq_open", [0, 0, 0, 0], EFAULT, strict: EPERM), Case("vmsplice", [0, 0, 0, 0], 0, strict: ENOSYS),
        Case("landlock_create_ruleset", [0, 0, 99], EINVAL), Case("seccomp", [99, 0, 0], EINVAL),
        Case("futex_waitv", [0, 0, 1], EINVAL), Case("getpid", [], 0), Case("close", [99], EBADF),
    ]

    static let all = namespaces + sockets + terminals + kernel + process

    @Test("every call ends in the errno the policy promises", arguments: ["default", "strict"])
    func errnos(policy: String) async throws {
        let cases = Self.all.compactMap { wanted -> (Case, BPFInterpreter.Call)? in
            guard case .native(let number) = SystemCallNumber.resolve(wanted.name) else { return nil }
            return (wanted, .init(number: number.value, arguments: wanted.arguments))
        }
        let confined = ConfinedPython(program: try Policies.load(policy).compile())
        let found = try await confined.errnos(cases.map(\.1))
        try #require(found.count == cases.count)
        for ((wanted, call), errno) in zip(cases, found) {
            let expected = policy == "strict" ? wanted.inStrict : wanted.inDefault
            #expect(errno == expected, "\(wanted.name)(\(call.arguments.map { String($0, radix: 16) }))")
        }
    }

    @Test("calls of the future and of x32 are ENOSYS", arguments: ["default", "strict"])
    func future(policy: String) async throws {
        let numbers: [UInt32] = [471, 512, 600, 0x3fff_ffff, 0x4000_0000, 0x4000_0027, 0x4000_0200]
        let confined = ConfinedPython(program: try Policies.load(policy).compile())
        let found = try await confined.errnos(numbers.map { .init(number: $0) })
        #expect(found == Array(repeating: ENOSYS, count: numbers.count))
    }

    @Test("the same calls without it get further")
    func control() async throws {
        let calls: [(String, [UInt64], Int32)] = [
            ("unshare", [0], 0), ("clone3", [0, 0], EINVAL), ("ioctl", [0, 0x5412, 0], ENOTTY),
            ("io_uring_setup", [0, 0], EFAULT), ("socket", [16, 3, 4], 0), ("personality", [0xffff_ffff], 0),
            ("keyctl", [0xffff], EOPNOTSUPP),
        ]
        let found = try await ConfinedPython(program: nil).errnos(
            calls.compactMap { name, arguments, _ in
                guard case .native(let number) = SystemCallNumber.resolve(name) else { return nil }
                return .init(number: number.value, arguments: arguments)
            })
        #expect(found == calls.map(\.2))
    }

    #if arch(x86_64)
        @Test("32-bit int 0x80 is ENOSYS and the process lives on", arguments: [nil, "default", "strict"])
        func int80(policy: String?) async throws {
            let confined = ConfinedPython(program: try policy.map { try Policies.load($0).compile() })
            let outcome = try await confined.bash(
                #"""
                cat > int80.c <<'END'
                #include <stdio.h>
                static int call(int number, int first) {
                    int result;
                    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
                    return result;
                }
                /* i386: getpid, uselib (64-bit number 86 is link), socketcall, unshare */
                int main(void) { printf("%d %d %d %d\n", call(20, 0) > 0 ? 1 : call(20, 0), call(86, 0), call(102, 1), call(310, 0)); }
                END
                gcc -o int80 int80.c && ./int80
                """#)
            let expected = policy == nil ? "1 " : "-38 -38 -38 -38\n"
            #expect(outcome.status == 0)
            #expect(outcome.output.hasPrefix(expected), "\(outcome.output)")
        }
    #endif
}
