import Foundation
import ServiceSupport
import Testing

extension ServiceInstance {
    /// Runs one check of a Python program in `Programs` against this service, and fails with what it printed.
    @discardableResult
    func check(
        _ program: String, _ check: String, _ arguments: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let (status, output) = try await Self.program(
            "/usr/bin/python3", ["-B", try Self.path(ofProgram: program), check] + arguments,
            environment: clientEnvironment)
        #expect(
            status == 0, "\(program).py \(check): \(output.suffix(4000))\nthe service's log: \(log.suffix(1500))",
            sourceLocation: sourceLocation)
        return output
    }

    static func path(ofProgram name: String) throws -> String {
        guard let file = Bundle.module.url(forResource: "Programs/\(name)", withExtension: "py") else {
            throw Unavailable("Programs/\(name).py is not beside the tests")
        }
        return file.path
    }
}

/// Runs one check of a program with a service of its own.
func check(
    _ program: String, _ check: String, _ arguments: [String] = [], service options: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    try await withService(options: options) { service in
        try await service.check(program, check, arguments, sourceLocation: sourceLocation)
    }
}
