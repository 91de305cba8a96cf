import Foundation
import ServiceSupport
import Testing

/// One thing that hostile code would try, and what must come of it.
///
/// The code is the body of a Python function. Its outcome is what it returns, `ok` when it returns
/// nothing, or the name of the errno it ran into.
struct Attempt: Sendable {
    let name: String
    let code: String
    /// The outcomes that a sandbox may allow.
    let inside: Set<String>
    /// The outcomes where the defence is off: what shows that the attempt would work. `nil` for any that
    /// isn't among those allowed inside.
    let outside: Set<String>?
    /// What the control runs, where that needs more than the same code.
    let control: String

    init(_ name: String, _ code: String, inside: String..., outside: [String]? = ["ok"], control: String? = nil) {
        self.name = name
        self.code = code
        self.inside = Set(inside)
        self.outside = outside.map(Set.init)
        self.control = control ?? code
    }
}

/// Where a probe runs.
enum Place: Sendable, CustomStringConvertible {
    /// In the sandbox, as an exec of this user's.
    case sandbox(String, user: String)
    /// On the host, as root in namespaces that are thrown away: the control.
    case host
    var description: String {
        switch self {
        case .sandbox(_, let user): "as user \(user) in the sandbox"
        case .host: "on the host"
        }
    }
}

extension ServiceInstance {
    /// A policy that allows every call: a sandbox without its filter, to see what else holds.
    static let unfiltered = #"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": []}"#

    /// Runs a Python program, after the prelude, and returns what it printed; it must end well.
    func probe(_ program: String, at place: Place, arguments: [String] = []) async throws -> String {
        let source = pythonPrelude + program
        switch place {
        case .sandbox(let id, let user):
            let outcome = try await run(["/usr/bin/python3", "-c", source] + arguments, in: id, user: user)
            guard outcome.exitCode == 0 else {
                throw Unavailable("the probe \(place) ended \(outcome.reason): \(outcome.stderr) \(outcome.stdout)")
            }
            return outcome.stdout
        case .host:
            let (status, output) = try await Self.program(
                "/usr/bin/unshare",
                ["-m", "-p", "-f", "-u", "-i", "-n", "--mount-proc", "/usr/bin/python3", "-c", source] + arguments)
            guard status == 0 else { throw Unavailable("the probe on the host ended \(status): \(output)") }
            return output
        }
    }

    /// The outcome of each attempt by name.
    func outcomes(of attempts: [Attempt], at place: Place) async throws -> [String: String] {
        var program = "found = {}\n"
        for (number, attempt) in attempts.enumerated() {
            let code = if case .host = place { attempt.control } else { attempt.code }
            let body = code.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
            program += "def attempt\(number)():\n\(body)\n"
            program += "found[\(number)] = outcome(attempt\(number))\n"
        }
        program += "print(json.dumps(found))\n"
        let text = try await probe(program, at: place)
        let found = (try JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: String] ?? [:]
        var result: [String: String] = [:]
        for (number, attempt) in attempts.enumerated() { result[attempt.name] = found["\(number)"] ?? "nothing" }
        return result
    }

    /// Tries everything as root and as an ordinary user in the sandbox, and outside as the control.
    func hold(_ attempts: [Attempt], in sandbox: String, users: [String] = ["0", "1000"]) async throws {
        for user in users {
            let found = try await outcomes(of: attempts, at: .sandbox(sandbox, user: user))
            for attempt in attempts {
                let outcome = found[attempt.name] ?? ""
                #expect(attempt.inside.contains(outcome), "\(attempt.name) as user \(user) inside: \(outcome)")
            }
        }
        try await control(attempts)
    }

    /// Expects that the attempts succeed on the host.
    func control(_ attempts: [Attempt]) async throws {
        let found = try await outcomes(of: attempts, at: .host)
        for attempt in attempts {
            let outcome = found[attempt.name] ?? ""
            if let outside = attempt.outside {
                #expect(outside.contains(outcome), "control: \(attempt.name) on the host: \(outcome)")
            } else {
                #expect(!attempt.inside.contains(outcome), "control: \(attempt.name) on the host: \(outcome)")
            }
        }
    }

    /// The host ids that a sandbox's 0 and up are.
    func idBase(of sandbox: String) throws -> UInt32 {
        let process = try #require(initProcess(of: sandbox))
        let map = try String(contentsOfFile: "/proc/\(process)/uid_map", encoding: .utf8)
        let fields = map.split(separator: " ")
        return try #require(fields.count >= 2 ? UInt32(fields[1]) : nil)
    }

    /// A sandbox's writable layer on the host: `r1` is of `/`, `r2` of `/usr`.
    func layer(_ name: String, of sandbox: String) throws -> String {
        let slot = try #require(slots().first { $0.sandbox == sandbox })
        return "\(dataDirectory)/storage/slots/\(slot.name)/\(name)/u"
    }
}

/// Runs `body` with a service of which the policy `strict` allows every call.
func withUnfilteredPolicy<Result>(body: (ServiceInstance) async throws -> Result) async throws -> Result {
    let directory = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    // The REST front knows two names: this instance's `strict` is none at all.
    try ServiceInstance.unfiltered.write(toFile: "\(directory)/strict.json", atomically: true, encoding: .utf8)
    return try await withService("--policy-dir", directory, body: body)
}

/// A directory below `/tmp` that everybody may enter; the caller removes it.
func temporaryDirectory() throws -> String {
    let path = "/tmp/cordon-probe-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    chmod(path, 0o755)
    return path
}

/// Runs a shell script of the host's; returns its exit status and output.
func host(_ script: String) async throws -> (status: Int32, output: String) {
    try await ServiceInstance.program("/bin/bash", ["-c", script])
}
