import Foundation
import SandboxModel

/// An exec's spec as JSON on disk, under the same promise as `SandboxSpecRow`.
struct ExecSpecRow: Codable {
    static let currentVersion = 1

    var version: Int
    var argv: [String]
    var environment: [String: String]
    var workdir: String?
    var user: String?
    var timeoutMicroseconds: Int64?
    var onFull: String
    var stdout: String
    var stderr: String
    var stdin: Bool
    var terminal: TerminalRow?
    /// A keyed hash of the secrets that were asked for, in base64; nothing else of them is kept.
    var secretsHash: String?

    enum CodingKeys: String, CodingKey {
        case version, argv, workdir, user, stdout, stderr, stdin, terminal
        case environment = "env"
        case timeoutMicroseconds = "timeout_microseconds"
        case onFull = "on_full"
        case secretsHash = "secrets_hash"
    }

    init(_ spec: ExecSpec) {
        version = Self.currentVersion
        argv = spec.command.argv
        environment = spec.environment.variables
        workdir = spec.workdir
        user = spec.user
        timeoutMicroseconds = spec.timeout?.microseconds
        onFull = spec.onFull.rawValue
        stdout = spec.stdout.rawValue
        stderr = spec.stderr.rawValue
        stdin = spec.stdin
        terminal = spec.terminal.map { TerminalRow($0) }
        secretsHash = spec.secretsHash.map { Data($0).base64EncodedString() }
    }

    func spec(id: ExecID) throws -> ExecSpec {
        guard version <= Self.currentVersion else { throw RowShape.newerVersion(version) }
        var spec = ExecSpec(
            id: id, command: try CommandSpec(argv: argv), environment: try Environment(environment), workdir: workdir,
            user: user, timeout: timeoutMicroseconds.map { .microseconds($0) },
            onFull: try RowShape.value(onFull, of: FullPolicy.self),
            stdout: try RowShape.value(stdout, of: OutputDisposition.self),
            stderr: try RowShape.value(stderr, of: OutputDisposition.self), stdin: stdin,
            terminal: try terminal.map { try $0.terminal() })
        spec.secretsHash = secretsHash.flatMap { Data(base64Encoded: $0) }.map { [UInt8]($0) }
        return spec
    }
}
