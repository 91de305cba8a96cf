import CProgramSupport
import Foundation
import Synchronization

/// A program of the host's that a test has started.
///
/// It takes the place of Foundation's `Process`, which lists `/proc/self/fd` as it starts one and reads past its
/// buffer where there are many descriptors, as there are when tests run side by side.
public final class HostProgram: Sendable {
    /// What the system said to it.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Its process id; it isn't another's before the program was waited for.
    public let pid: pid_t
    /// How it ended; nil as long as it wasn't waited for.
    private let ended = Mutex<Int32?>(nil)

    /// Starts a program in a process group of its own. Of this process's descriptors it has those alone that are said.
    ///
    /// - Parameters:
    ///   - environment: its variables; this process's when nil.
    ///   - directory: where it starts; where this process is when nil.
    ///   - input: its stdin; `/dev/null` when nil. It stays the caller's, as `output` does.
    ///   - output: its stdout and stderr; this process's when nil.
    public init(
        _ path: String, _ arguments: [String] = [], environment: [String: String]? = nil, directory: String? = nil,
        input: Int32? = nil, output: Int32? = nil
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        if let output { for number: Int32 in 1...2 { posix_spawn_file_actions_adddup2(&actions, output, number) } }
        guard program_actions_enclose(&actions, directory) == 0 else {
            throw Failure(description: "\(path): no memory to start it")
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let variables = environment ?? ProcessInfo.processInfo.environment
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var texts: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in words + texts { free(text) } }
        var pid: pid_t = 0
        let error = posix_spawn(&pid, path, &actions, &attributes, &words, &texts)
        guard error == 0 else { throw Failure(description: "\(path): \(String(cString: strerror(error)))") }
        self.pid = pid
    }

    /// Whether it hasn't ended.
    public var isRunning: Bool { status(WNOHANG) == nil }

    /// Sends it a signal, unless it has ended.
    public func kill(_ signal: Int32) {
        ended.withLock { ended in
            if ended == nil { _ = Glibc.kill(pid, signal) }
        }
    }

    /// Waits on this thread until it has ended; its exit status, or the number of the signal that ended it.
    @discardableResult
    public func wait() -> Int32 {
        while true {
            if let status = status(0) { return status }
        }
    }

    /// nil where it runs on, or the wait was interrupted.
    private func status(_ options: Int32) -> Int32? {
        if let known = ended.withLock({ $0 }) { return known }
        // Without the lock, and without taking its end away from whoever else waits.
        var information = siginfo_t()
        _ = waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT | options)
        return ended.withLock { ended in
            if ended == nil {
                var status: Int32 = 0
                if waitpid(pid, &status, WNOHANG) == pid {
                    let signal = status & 0x7f
                    ended = signal == 0 ? (status >> 8) & 0xff : signal
                }
            }
            return ended
        }
    }
}

// MARK: To the end

extension HostProgram {
    /// Runs a program to its end, on this thread; its exit status, and all that it printed.
    public static func run(
        _ path: String, _ arguments: [String], environment: [String: String]? = nil, directory: String? = nil,
        input: Int32? = nil, closingInput: Bool = false
    ) throws -> (status: Int32, output: String) {
        let pipe = try ProgramPipe()
        let program = try HostProgram(
            path, arguments, environment: environment, directory: directory, input: input, output: pipe.writing)
        if closingInput, let input { close(input) }
        pipe.closeWriting()
        let output = pipe.readToEnd()
        return (program.wait(), String(decoding: output, as: UTF8.self))
    }

    /// The same, on a thread where that may block.
    public static func result(
        of path: String, _ arguments: [String], environment: [String: String]? = nil
    ) async throws -> (status: Int32, output: String) {
        try await onThread { try run(path, arguments, environment: environment) }
    }

    /// Waits for its end on a thread where that may block.
    @discardableResult
    public func end() async -> Int32 {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: self.wait()) }
        }
    }
}

/// Does what may block on a thread where it may: tests run side by side, and their own threads are few.
public func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}
