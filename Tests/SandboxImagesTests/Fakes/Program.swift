import Foundation

/// Programs of the host that tests need.
enum Program {
    /// The file of a program that stands beside the tests.
    static func named(_ name: String) throws -> String {
        guard let url = Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Programs") else {
            throw CocoaError(.fileNoSuchFile)
        }
        return url.path
    }

    /// Runs a program to its end; its exit status and everything it printed.
    static func run(_ path: String, _ arguments: [String]) async throws -> (status: Int32, output: String) {
        let (process, file) = try make(path, arguments)
        defer { try? FileManager.default.removeItem(atPath: file) }
        // Nothing here waits on a thread: tests run side by side, and there are few.
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            process.terminationHandler = { _ in continuation.resume() }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        return (process.terminationStatus, try String(contentsOfFile: file, encoding: .utf8))
    }

    /// Starts a program that goes on, and waits for its first line.
    static func start(_ path: String, _ arguments: [String]) async throws -> (Process, line: String) {
        let (process, file) = try make(path, arguments)
        defer { try? FileManager.default.removeItem(atPath: file) }
        try process.run()
        for _ in 0..<3000 {
            let printed = try String(contentsOfFile: file, encoding: .utf8)
            if let end = printed.firstIndex(of: "\n") { return (process, String(printed[..<end])) }
            try await Task.sleep(for: .milliseconds(20))
        }
        kill(process.processIdentifier, SIGKILL)
        throw CocoaError(.fileReadUnknown)
    }

    /// A program that prints into a file of its own.
    private static func make(_ path: String, _ arguments: [String]) throws -> (Process, file: String) {
        let file = "/tmp/cordon-images-\(UUID().uuidString).out"
        try Data().write(to: URL(fileURLWithPath: file))
        let output = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        return (process, file)
    }
}
