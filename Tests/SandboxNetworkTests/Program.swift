import Foundation

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
        let process = try process(name, arguments)
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = try await onThread { try pipe.fileHandleForReading.readToEnd() ?? Data() }
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    static func process(_ name: String, _ arguments: [String]) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        process.arguments = ["-B", try path(name)] + arguments
        return process
    }

    /// Does what may block on a thread where it may.
    static func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
        }
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
    private let input: FileHandle

    private init(_ ports: Ports, input: FileHandle) {
        self.ports = ports
        self.input = input
    }

    static func start() async throws -> UpstreamProgram {
        let process = try Program.process("upstream", [])
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        try input.fileHandleForReading.close()
        let line = try await Program.onThread { () -> Data in
            var line = Data()
            while line.last != UInt8(ascii: "\n") {
                let piece = output.fileHandleForReading.availableData
                if piece.isEmpty { break }
                line += piece
            }
            return line
        }
        return UpstreamProgram(
            try JSONDecoder().decode(Ports.self, from: line), input: input.fileHandleForWriting)
    }

    deinit { try? input.close() }
}
