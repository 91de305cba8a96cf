import Foundation
import ProgramSupport
import SeccompPolicy

/// Runs things in a process of their own under a filter; the filter is loaded by Python's ctypes, so that nothing of
/// the code under test takes part in enforcing it.
struct ConfinedPython {
    struct Outcome {
        var status: Int32
        var output: String
    }

    private static let loader = """
        import ctypes, os, struct, sys
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall.restype = ctypes.c_long
        def call(number, *arguments):
            arguments = [ctypes.c_ulong(a) for a in arguments]
            ctypes.set_errno(0)
            result = libc.syscall(ctypes.c_long(number), *arguments)
            return ctypes.get_errno() if result == -1 else 0
        def confine(path):
            program = open(path, "rb").read()
            if not program: return
            buffer = ctypes.create_string_buffer(program, len(program))
            fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)))
            assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
            assert libc.prctl(22, 2, fprog, 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        confine(sys.argv[1])
        if sys.argv[2] == "calls":
            for line in sys.argv[3].split(";"):
                print(call(*[int(word) for word in line.split()]))
        else:
            os.execvp(sys.argv[3], sys.argv[3:])

        """

    /// nil runs without a filter, the control that shows that a refusal is the filter's.
    let program: SeccompProgram?

    /// The errno of each call, 0 where it succeeded. All are made by one process, in order.
    func errnos(_ calls: [BPFInterpreter.Call]) async throws -> [Int32] {
        let text = calls.map { call in
            ([UInt64(call.number)] + call.arguments).map(String.init).joined(separator: " ")
        }
        let outcome = try await run(["calls", text.joined(separator: ";")])
        return outcome.output.split(separator: "\n").compactMap { Int32($0) }
    }

    /// Runs a script with bash in a directory of its own, which is also its HOME.
    func bash(_ script: String) async throws -> Outcome {
        try await run(["run", "bash", "-ec", script])
    }

    private func run(_ arguments: [String]) async throws -> Outcome {
        let directory = FileManager.default.temporaryDirectory.appending(path: "seccomp-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let filter = directory.appending(path: "filter.bpf")
        try Data(program?.bytes ?? []).write(to: filter)

        let (status, output) = try await onThread {
            try HostProgram.run(
                "/usr/bin/python3", ["-c", Self.loader, filter.path] + arguments,
                environment: ProcessInfo.processInfo.environment.merging(["HOME": directory.path]) { $1 },
                directory: directory.path)
        }
        return Outcome(status: status, output: output)
    }
}
