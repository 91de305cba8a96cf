import Foundation
import ProgramSupport
import ServiceSupport
import Testing

/// One of the ways in which Modal's Python SDK speaks to a service.
enum SDK: String, CaseIterable, CustomTestStringConvertible {
    /// Today's, as it comes.
    case v2
    /// Today's, by the way that it goes without `MODAL_SANDBOX_V2`.
    case v1
    /// The one before.
    case old

    private var version: String { self == .old ? "1.2.6" : "1.6.4" }

    var testDescription: String {
        switch self {
        case .v2: "modal \(version)"
        case .v1: "modal \(version), MODAL_SANDBOX_V2=0"
        case .old: "modal \(version)"
        }
    }

    /// The Python of an environment with this SDK, which is made from PyPI where there is none yet.
    func python() async throws -> String {
        let (status, output) = try await ServiceInstance.program(
            "/usr/bin/python3", ["-B", try Self.path(ofProgram: "make_venv"), version])
        guard status == 0, let path = output.split(separator: "\n").last else {
            throw ServiceInstance.Unavailable("modal==\(version) can't be had from PyPI: \(output.suffix(2000))")
        }
        return String(path)
    }

    static func path(ofProgram name: String) throws -> String {
        guard let file = Bundle.module.url(forResource: "Programs/\(name)", withExtension: "py") else {
            throw ServiceInstance.Unavailable("Programs/\(name).py is not beside the tests")
        }
        return file.path
    }
}

extension ServiceInstance {
    /// What `cordon modal-env` tells a shell to export.
    private func exports() async throws -> [String: String] {
        let (status, output) = try await Self.program(
            try Self.products + "/cordon", ["modal-env"], environment: clientEnvironment)
        guard status == 0 else { throw Unavailable("cordon modal-env: \(output)") }
        var variables: [String: String] = [:]
        for line in output.split(separator: "\n") where line.hasPrefix("export ") {
            let halves = line.dropFirst("export ".count).split(separator: "=", maxSplits: 1)
            guard halves.count == 2 else { continue }
            variables[String(halves[0])] = halves[1].trimmingCharacters(in: ["'", "\""])
        }
        return variables
    }

    /// Runs a program with an SDK against this service; returns its exit status and what it has printed. One that hangs
    /// is ended, and says where each of its threads was.
    func run(
        _ program: String, _ arguments: [String] = [], with sdk: SDK, seconds: Int = 240,
        adding variables: [String: String] = [:]
    ) async throws -> (status: Int32, output: String) {
        var environment = clientEnvironment.merging(try await exports()) { $1 }
        environment["CORDON_SDK_MODE"] = sdk.rawValue
        environment["MODAL_CONFIG_PATH"] = "/nonexistent"
        environment["PYTHONFAULTHANDLER"] = "1"
        if sdk == .v1 { environment["MODAL_SANDBOX_V2"] = "0" }
        environment.merge(variables) { $1 }
        return try await Self.program(
            "/usr/bin/timeout",
            [
                "--signal=ABRT", "--kill-after=10", "\(seconds)", try await sdk.python(), "-B",
                try SDK.path(ofProgram: program),
            ]
                + arguments, environment: environment)
    }

    /// Runs a program's checks, and fails with what it has printed when one of them does.
    func check(
        _ program: String, with sdk: SDK, adding variables: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let (status, output) = try await run(program, with: sdk, adding: variables)
        #expect(
            status == 0, "\(program).py, \(sdk.testDescription): \(output.suffix(8000))", sourceLocation: sourceLocation
        )
    }
}

/// A registry that has the images which the SDK's recipes start from.
func withRegistry(_ body: (_ host: String) async throws -> Void) async throws {
    let (input, output) = (try ProgramPipe(), try ProgramPipe())
    let program = try HostProgram(
        "/usr/bin/python3", ["-B", try SDK.path(ofProgram: "registry"), "python:3.11.12-slim-bookworm", "base:1"],
        input: input.reading, output: output.writing)
    output.closeWriting()
    // It ends with its input, whatever becomes of this process.
    defer {
        input.closeWriting()
        program.wait()
    }
    let line = try await onThread { output.readLine() }
    guard let port = Int(line.trimmingCharacters(in: .whitespacesAndNewlines)) else {
        throw ServiceInstance.Unavailable("no registry: \(line)")
    }
    try await body("127.0.0.1:\(port)")
}
