import CSeccomp

/// The one architecture a program is compiled for: the one this process runs on.
package enum NativeArchitecture {
    #if arch(x86_64)
        /// The kernel's `AUDIT_ARCH_…`, which a filter finds in `seccomp_data.arch`.
        package static let audit: UInt32 = 0xc000_003e  // AUDIT_ARCH_X86_64
        static let ociName = "SCMP_ARCH_X86_64"
        static let goName = "amd64"
    #elseif arch(arm64)
        package static let audit: UInt32 = 0xc000_00b7  // AUDIT_ARCH_AARCH64
        static let ociName = "SCMP_ARCH_AARCH64"
        static let goName = "arm64"
    #else
        #error("SeccompPolicy compiles for x86_64 and aarch64 only")
    #endif

    /// Every name the OCI runtime specification gives an architecture; a profile may list any of them.
    static let ociNames: Set<String> = [
        "SCMP_ARCH_NATIVE", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64",
        "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
        "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390",
        "SCMP_ARCH_S390X", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64", "SCMP_ARCH_LOONGARCH64",
        "SCMP_ARCH_M68K", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB",
    ]

    /// The names Docker's `includes.arches` and `excludes.arches` use (Go's `GOARCH`, and libseccomp's).
    static let goNames: Set<String> = [
        "amd64", "arm64", "x86", "386", "x32", "arm", "mips", "mips64", "mips64n32", "mips64le", "mipsel", "mipsel64",
        "mipsel64n32", "ppc", "ppc64", "ppc64le", "s390", "s390x", "riscv64", "loong64", "loongarch64", "parisc",
        "parisc64", "m68k", "sh", "sheb",
    ]
}
