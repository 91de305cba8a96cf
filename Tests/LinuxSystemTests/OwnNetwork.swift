import CLinux
import Foundation
import Glibc
import LinuxSystem

/// What a thread came to; read once it is done.
private final class Outcome<Value>: @unchecked Sendable {
    var result: Result<Value, any Error>?
}

/// Runs work on a thread in a network namespace of its own, which is gone afterwards.
func inOwnNetwork<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) throws -> Value {
    let outcome = Outcome<Value>()
    let done = DispatchSemaphore(value: 0)
    let thread = Thread {
        outcome.result = Result {
            try check(cordon_unshare(cordon_clone_newnet), "unshare", "network")
            return try work()
        }
        done.signal()
    }
    thread.start()
    done.wait()
    guard let result = outcome.result else { throw SystemCallError("thread", errno: EIO) }
    return try result.get()
}

/// What a command prints that runs where this thread is: a child of this very thread.
func said(_ command: String) throws -> String {
    guard let pipe = popen(command + " 2>&1", "r") else { throw SystemCallError("popen", command) }
    defer { pclose(pipe) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = fread(&buffer, 1, buffer.count, pipe)
        guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
    }
}
