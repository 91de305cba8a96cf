import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Work on trees that sandboxes have made, in a process that reaches nothing else (`cordon_confine_walker`).
struct ConfinedWalk {
    /// The wait status of a walk that found no room (wait(2)).
    private static let diskIsFull: Int32 = 2 << 8
    /// More than any report has: paths of what was left out, and a message.
    private static let reportBytes = 64 << 10
    private static let leftOutBytes = 32 << 10
    private static let messageBytes = 2048

    /// An empty directory to live in.
    let empty: Directory

    /// Does `work`, which may use the descriptors of `reaching` alone, and answers what it found. Throws
    /// `deadlineExceeded` when it is still at it after so many seconds.
    func run(
        reaching descriptors: [Int32], within seconds: UInt32? = nil, _ work: () throws -> TreeCopy.Summary
    ) throws -> LayerFacts {
        var ends: [Int32] = [-1, -1]
        try check(pipe(&ends), "pipe")
        let reading = Descriptor(owning: ends[0])
        let writing = Descriptor(owning: ends[1])
        let parent = getpid()
        let child = fork()
        if child == 0 {
            // Its end, if it is still at work then (alarm(2)).
            if let seconds { alarm(max(1, seconds)) }
            walk(writing.raw, parent: parent, reaching: descriptors, work)
        }
        try check(child, "fork")
        _ = consume writing
        let bytes = try readAll(reading.raw, limit: Self.reportBytes, name: "a walk's facts")
        // Whatever it would still say goes nowhere: it doesn't wait for a reader, and this process not for it.
        _ = consume reading
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        guard status != Self.diskIsFull else {
            throw Failure(.resourceExhausted, "the copy would take what is kept free of the disk")
        }
        guard status & 0x7f != SIGALRM else {
            throw Failure(
                .deadlineExceeded,
                "copying takes longer than \(LayerMaking.longestStandstill) s, and the sandbox stands still for it")
        }
        guard status == 0 else {
            throw Failure(.aborted, bytes.isEmpty ? "copying broke off" : LayerMaking.shown(bytes))
        }
        return try LayerRecord(record: bytes).facts
    }

    /// In a child: does the work, says what came of it, and exits.
    private func walk(
        _ report: Int32, parent: pid_t, reaching descriptors: [Int32], _ work: () throws -> TreeCopy.Summary
    ) -> Never {
        do {
            _ = cordon_set_parent_death_signal(SIGKILL)
            if getppid() != parent { _exit(1) }
            Self.closeAll(but: descriptors + [empty.raw, report])
            // Many layers may have the same directory, and each is open as long as it is looked through.
            try check(cordon_raise_descriptor_limit(), "setrlimit", "nofile")
            umask(0)
            try check(cordon_confine_walker(empty.raw), "confine")
            var facts = LayerFacts(try work())
            // Whoever made the tree chose how long its paths are.
            var bytes = 0
            facts.leftOut = Array(
                facts.leftOut.prefix {
                    bytes += $0.utf8.count
                    return bytes <= Self.leftOutBytes
                })
            try LayerRecord(facts).record.withUnsafeBytes { try writeAll($0, to: report) }
            _exit(0)
        } catch {
            try? Array("\(error)".utf8.prefix(Self.messageBytes)).withUnsafeBytes { try writeAll($0, to: report) }
            _exit((error as? SystemCallError)?.errno == ENOSPC ? Self.diskIsFull >> 8 : 1)
        }
    }

    /// In a child: what is left is a closed set of descriptors, and nothing else of the launcher's.
    static func closeAll(but kept: [Int32]) {
        var first: UInt32 = 3
        for descriptor in Set(kept).sorted() {
            if UInt32(descriptor) > first { _ = cordon_close_range(first, UInt32(descriptor) - 1) }
            first = UInt32(descriptor) + 1
        }
        _ = cordon_close_range(first, .max)
    }
}
