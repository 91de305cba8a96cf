import Foundation
import ProgramSupport

/// Programs of the host that tests need.
enum Program {
    /// The file of a program that stands beside the tests.
    static func named(_ name: String) throws -> String {
        guard let url = Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Programs") else {
            throw CocoaError(.fileNoSuchFile)
        }
        return url.path
    }

    /// Starts a program that goes on, and waits for its first line.
    static func start(_ path: String, _ arguments: [String]) async throws -> (HostProgram, line: String) {
        let output = try ProgramPipe()
        let program = try HostProgram(path, arguments, output: output.writing)
        output.closeWriting()
        let line = try await onThread { output.readLine() }
        // Whatever else it says keeps nobody waiting.
        Thread.detachNewThread { _ = output.readToEnd() }
        return (program, String(line.dropLast()))
    }
}
