import Foundation
import ProgramSupport

/// Programs that we did not write, and servers for them.
enum Program {
    static func path(_ name: String) throws -> String {
        guard let url = Bundle.module.url(forResource: "Programs/\(name)", withExtension: "py") else {
            throw CocoaError(.fileNoSuchFile)
        }
        return url.path
    }

    /// Runs a Python program to its end; returns its status and what it printed.
    static func run(_ name: String, _ arguments: [String]) async throws -> (status: Int32, output: String) {
        try await HostProgram.result(of: "/usr/bin/python3", ["-B", try path(name)] + arguments)
    }
}

/// `upstream.py`, for as long as this lives.
final class UpstreamProgram: Sendable {
    struct Ports: Codable, Sendable {
        var dns: Int
        var web: Int
        var tls: Int
        var echo: Int
        var certificate: String
    }

    let ports: Ports
    private let program: HostProgram
    /// It ends with its input.
    private let input: ProgramPipe

    private init(_ ports: Ports, _ program: HostProgram, input: ProgramPipe) {
        self.ports = ports
        self.program = program
        self.input = input
    }

    static func start() async throws -> UpstreamProgram {
        let (input, output) = (try ProgramPipe(), try ProgramPipe())
        let program = try HostProgram(
            "/usr/bin/python3", ["-B", try Program.path("upstream")], input: input.reading, output: output.writing)
        input.closeReading()
        output.closeWriting()
        let line = try await onThread { output.readLine() }
        Thread.detachNewThread { _ = output.readToEnd() }
        return UpstreamProgram(
            try JSONDecoder().decode(Ports.self, from: Data(line.utf8)), program, input: input)
    }

    deinit {
        input.closeWriting()
        Thread.detachNewThread { [program] in program.wait() }
    }
}
