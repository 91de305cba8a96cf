import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// What a process is started with, laid out as the child between clone and exec reads it
/// (struct cordon_process_header).
struct ProcessSpecification {
    let start: StartExec
    let seccomp: [UInt8]
    let capabilities: UInt64

    /// The specification in a memory file of its own.
    func file() throws -> Descriptor {
        let bytes = layout()
        let file = Descriptor(owning: try check(cordon_memory_file("cordon-process"), "memfd_create"))
        try bytes.withUnsafeBytes { try writeAll($0, to: file.raw) }
        return file
    }

    private func layout() -> [UInt8] {
        var strings: [UInt8] = []
        for text in [start.workdir, start.user] + start.argv + start.environment {
            strings.append(contentsOf: text.utf8)
            strings.append(0)
        }
        let size = MemoryLayout<cordon_process_header>.size
        while (size + strings.count) % 8 != 0 { strings.append(0) }
        var header = cordon_process_header()
        header.strings_offset = UInt32(size)
        header.seccomp_offset = UInt32(size + strings.count)
        header.seccomp_count = UInt32(seccomp.count / 8)
        header.argument_count = UInt32(start.argv.count)
        header.environment_count = UInt32(start.environment.count)
        header.has_terminal = start.terminal == nil ? 0 : 1
        header.capabilities = capabilities
        header.size = UInt32(size + strings.count + seccomp.count)
        return withUnsafeBytes(of: header) { Array($0) } + strings + seccomp
    }
}

extension StartExec {
    /// Checks what the service should have checked; a shim trusts nobody's lengths.
    func verify() throws(Failure) {
        let texts = [workdir, user] + argv + environment
        guard !argv.isEmpty, argv[0].utf8.count > 0 else { throw Failure(.invalidArgument, "argv is empty") }
        guard texts.allSatisfy({ !$0.utf8.contains(0) }) else { throw Failure(.invalidArgument, "a text holds NUL") }
        guard texts.reduce(0, { $0 + $1.utf8.count + 1 }) <= 512 * 1024, argv.count + environment.count <= 16_384 else {
            throw Failure(.invalidArgument, "arguments and environment are too large")
        }
    }
}

/// Why a process did not start, in words.
enum StartFailure {
    /// The failure that the child's report tells of.
    static func describe(stage: UInt32, errno number: Int32, start: StartExec) -> Failure {
        let reason = String(cString: strerror(number))
        switch Int(stage) {
        case CORDON_STAGE_PROGRAM:
            let words = number == ENOENT ? "no such program" : reason
            return Failure(.invalidArgument, "argv[0]: \(words): \(start.argv[0].prefix(128))", number: UInt64(stage))
        case CORDON_STAGE_WORKDIR:
            return Failure(.invalidArgument, "workdir: \(reason): \(start.workdir.prefix(128))", number: UInt64(stage))
        case CORDON_STAGE_USER:
            let words = number == ESRCH ? "no such user" : reason
            return Failure(.invalidArgument, "user: \(words): \(start.user.prefix(128))", number: UInt64(stage))
        case CORDON_STAGE_SECCOMP:
            return Failure(.internal, "the seccomp policy was refused: \(reason)", number: UInt64(stage))
        case CORDON_STAGE_SELF_TEST:
            return Failure(.internal, "a restriction does not hold; the process was not started", number: UInt64(stage))
        default:
            return Failure(
                .internal, "the process could not be prepared (step \(stage)): \(reason)", number: UInt64(stage))
        }
    }
}
