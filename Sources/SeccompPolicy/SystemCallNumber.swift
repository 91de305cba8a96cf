import CSeccomp

/// The number of a system call on the native architecture.
package struct SystemCallNumber: Hashable, Comparable, Sendable {
    package let value: UInt32

    package init(value: UInt32) { self.value = value }

    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }

    /// Calls of Linux 5.16 to 6.19. libseccomp 2.5.4 knows none of them above 456 (and without Debian's patches none
    /// above 448). From 424 on, all architectures number new calls alike.
    ///
    /// Source: `scripts/syscall.tbl` and `arch/x86/entry/syscalls/syscall_64.tbl` of the kernel. Add new calls at the
    /// end; ``newest`` follows.
    static let newerCalls: [String: UInt32] = [
        "futex_waitv": 449, "set_mempolicy_home_node": 450, "cachestat": 451, "fchmodat2": 452,
        "map_shadow_stack": 453, "futex_wake": 454, "futex_wait": 455, "futex_requeue": 456, "statmount": 457,
        "listmount": 458, "lsm_get_self_attr": 459, "lsm_set_self_attr": 460, "lsm_list_modules": 461, "mseal": 462,
        "setxattrat": 463, "getxattrat": 464, "listxattrat": 465, "removexattrat": 466, "open_tree_attr": 467,
        "file_getattr": 468, "file_setattr": 469, "listns": 470,
    ]

    /// The newest call profiles can name. Anything above it didn't exist when the profile was written: programs that
    /// probe for it expect ENOSYS and fall back, where EPERM would make them fail.
    static let newest = newerCalls.values.max() ?? 0

    /// What a name of a profile stands for on this architecture.
    package enum Resolution {
        case native(SystemCallNumber)
        /// A call of other architectures only, such as `socketcall` on x86_64; a rule for it has nothing to do here.
        case foreign
        case unknown
    }

    /// Calls that exist on x86_64 alone and that libseccomp 2.5.4 doesn't know.
    private static let x86Calls: [String: UInt32] = ["uretprobe": 335, "uprobe": 336]

    /// Looks a name up, in the tables above and then in libseccomp's.
    package static func resolve(_ name: String) -> Resolution {
        if name == "riscv_hwprobe" { return .foreign }  // in Docker's profile, unknown to libseccomp 2.5.4
        if let number = x86Calls[name] {
            #if arch(x86_64)
                return .native(.init(value: number))
            #else
                return .foreign
            #endif
        }
        if let number = newerCalls[name] { return .native(.init(value: number)) }
        let number = seccomp_syscall_resolve_name(name)
        if number >= 0 { return .native(.init(value: UInt32(number))) }
        return number == -1 ? .unknown : .foreign  // __NR_SCMP_ERROR is -1, "pseudo" numbers lie far below
    }
}
