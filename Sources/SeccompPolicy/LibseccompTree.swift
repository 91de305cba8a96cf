import CSeccomp
import Glibc

/// libseccomp's part: the decisions that depend on the number alone, as a balanced binary tree.
enum LibseccompTree {
    struct Failure: Error, CustomStringConvertible {
        var operation: String
        /// A negative errno, as libseccomp returns it.
        var result: Int32

        var description: String { "libseccomp: \(operation): \(String(cString: strerror(-result)))" }
    }

    /// Raw `struct sock_filter`s, complete with libseccomp's own checks of architecture and x32.
    static func export(
        defaultAction: SeccompAction, rules: [(SystemCallNumber, SeccompAction)]
    ) throws(Failure) -> [UInt8] {
        guard let context = seccomp_init(defaultAction.code) else {
            throw Failure(operation: "seccomp_init(\(defaultAction))", result: -EINVAL)
        }
        defer { seccomp_release(context) }
        try check(
            "SCMP_FLTATR_ACT_BADARCH",
            seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SeccompAction.noSuchSystemCall.code))
        // 2 is the binary tree: a third of the linear filter's cost per call (measured).
        try check("SCMP_FLTATR_CTL_OPTIMIZE", seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2))
        for (number, action) in rules {
            try check(
                "rule \(action) for syscall number \(number.value)",
                seccomp_rule_add_array(context, action.code, Int32(number.value), 0, nil))
        }
        return try read(context)
    }

    private static func read(_ context: UnsafeMutableRawPointer) throws(Failure) -> [UInt8] {
        let file = cordon_seccomp_memfd()
        guard file >= 0 else { throw Failure(operation: "memfd_create", result: -errno) }
        defer { close(file) }
        try check("seccomp_export_bpf", seccomp_export_bpf(context, file))
        let size = Int(lseek(file, 0, SEEK_END))
        guard size > 0, size % BPFInstruction.size == 0 else {
            throw Failure(operation: "seccomp_export_bpf wrote \(size) bytes", result: -EIO)
        }
        var bytes = [UInt8](repeating: 0, count: size)
        guard pread(file, &bytes, size, 0) == size else { throw Failure(operation: "pread", result: -EIO) }
        return bytes
    }

    private static func check(_ operation: String, _ result: Int32) throws(Failure) {
        if result < 0 { throw Failure(operation: operation, result: result) }
    }
}
