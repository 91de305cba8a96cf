import Foundation
import ProgramSupport

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// A service of a test's own: real programs, directories below `/tmp`, an ephemeral port. Needs root.
///
/// End it with `down`: it ends every sandbox, the launcher and the service, and removes the directories.
public final class ServiceInstance: @unchecked Sendable {
    public let directory: String
    public var dataDirectory: String { directory + "/data" }
    public var runDirectory: String { directory + "/run" }
    private let options: [String]
    /// A program, with arguments, that runs the service: it executes what follows its own arguments.
    private let launcher: [String]
    private var service: HostProgram?
    public private(set) var url = ""
    public private(set) var token = ""

    /// What a test can't go on without.
    public struct Unavailable: Error, CustomStringConvertible {
        public let description: String
        public init(_ description: String) { self.description = description }
    }

    /// The directory of the programs that this build made.
    public static var products: String {
        get throws {
            var path = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
            for _ in 0..<5 {
                path.deleteLastPathComponent()
                if FileManager.default.isExecutableFile(atPath: path.path + "/cordond") { return path.path }
            }
            throw Unavailable("cordond is not beside the tests: build the products first")
        }
    }

    private init(options: [String], launcher: [String]) throws {
        guard getuid() == 0 else { throw Unavailable("these tests make sandboxes for real: run them as root") }
        var template = Array("/tmp/cordon-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Unavailable("mkdtemp: \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.options = options
        self.launcher = launcher
        // The service's own account must be able to pass.
        chmod(directory, 0o711)
    }

    /// Starts a service and waits until it is ready; one that doesn't become so leaves nothing behind.
    public static func start(_ options: String...) async throws -> ServiceInstance {
        try await start(options: options, launcher: [])
    }

    fileprivate static func start(options: [String], launcher: [String]) async throws -> ServiceInstance {
        let instance = try ServiceInstance(options: options, launcher: launcher)
        do {
            try await instance.startService()
        } catch {
            try? await instance.down()
            throw error
        }
        return instance
    }

    /// Starts `cordond` on this instance's directories, again after a kill, and waits until it is ready.
    public func startService() async throws {
        let process = try launchService()
        for _ in 0..<3000 {
            if let credentials = try? readCredentials(), await isReady(credentials.url) {
                (url, token) = credentials
                return
            }
            guard process.isRunning else { throw Unavailable("cordond ended: \(log)") }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw Unavailable("cordond did not become ready: \(log)")
    }

    /// What the service has logged so far.
    public var log: String { (try? String(contentsOfFile: directory + "/cordond.log", encoding: .utf8)) ?? "" }

    /// Starts `cordond` without waiting for it.
    @discardableResult
    public func launchService() throws -> HostProgram {
        let command =
            launcher + [try Self.products + "/cordond", "--data-dir", dataDirectory, "--run-dir", runDirectory]
            // The host's own network is left alone by tests that aren't about it.
            + ["--listen", "127.0.0.1:0", "--network=false"] + options
        let log = open(directory + "/cordond.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard log >= 0 else { throw Unavailable("cordond.log: \(errno)") }
        defer { close(log) }
        let started = try HostProgram(command[0], Array(command.dropFirst()), output: log)
        service = started
        return started
    }

    private func readCredentials() throws -> (url: String, token: String) {
        let data = try Data(contentsOf: URL(fileURLWithPath: dataDirectory + "/credentials.json"))
        guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any],
            let url = object["url"] as? String, let id = object["token_id"] as? String,
            let secret = object["token_secret"] as? String
        else { throw Unavailable("credentials.json is not what it should be") }
        return (url, "\(id).\(secret)")
    }

    private func isReady(_ url: String) async -> Bool {
        // Foundation's client can't be told here whom to trust.
        if url.hasPrefix("https://") {
            let asked = try? await Self.program("/usr/bin/curl", ["-sfk", "-o", "/dev/null", url + "/readyz"])
            return asked?.status == 0
        }
        guard let address = URL(string: url + "/readyz"),
            let (_, response) = try? await URLSession.shared.data(from: address)
        else { return false }
        return (response as? HTTPURLResponse)?.statusCode == 200
    }

    // MARK: Processes

    /// The service's process id.
    public var servicePID: pid_t { service?.pid ?? 0 }

    /// Kills the service without warning, and waits until it is dead.
    public func killService() {
        guard let service else { return }
        service.kill(SIGKILL)
        service.wait()
        self.service = nil
    }

    /// The launcher's process id (not its keeper's), or nil while there is none.
    public var launcherPID: pid_t? {
        Self.processes().first { process in
            let arguments = process.commandLine
            return arguments.first == "cordon-launcher" && !arguments.contains("--keep")
                && arguments.contains(runDirectory)
        }?.pid
    }

    /// The slots of this instance: name, the shim's process id, and whose it is (empty for nobody's).
    public func slots() -> [(name: String, shim: pid_t, sandbox: String)] {
        let root = runDirectory + "/slots"
        return ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).compactMap { name in
            guard let process = FileManager.default.contents(atPath: "\(root)/\(name)/process"), process.count >= 4
            else { return nil }
            let pid = process.prefix(4).enumerated().reduce(Int32(0)) { $0 | Int32($1.element) << ($1.offset * 8) }
            let owner = FileManager.default.contents(atPath: "\(root)/\(name)/owner") ?? Data()
            let text = String(decoding: owner, as: UTF8.self)
            let sandbox = text.range(of: "sb-").map { String(text[$0.lowerBound...].prefix(29)) } ?? ""
            return (name, pid, sandbox)
        }
    }

    /// The shim of a sandbox.
    public func shim(of sandbox: String) -> pid_t? { slots().first { $0.sandbox == sandbox }?.shim }

    /// The init of a sandbox: its shim's one child.
    public func initProcess(of sandbox: String) -> pid_t? {
        guard let shim = shim(of: sandbox) else { return nil }
        return Self.processes().first { $0.parent == shim }?.pid
    }

    /// Every process that `/proc` shows, from the host's side.
    public static func processes() -> [(pid: pid_t, parent: pid_t, commandLine: [String])] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { name in
            guard let pid = pid_t(name), let stat = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8),
                let end = stat.lastIndex(of: ")")
            else { return nil }
            let fields = stat[stat.index(after: end)...].split(separator: " ")
            let line = (try? String(contentsOfFile: "/proc/\(name)/cmdline", encoding: .utf8)) ?? ""
            return (pid, fields.count > 1 ? pid_t(fields[1]) ?? 0 : 0, line.split(separator: "\0").map(String.init))
        }
    }

    // MARK: Calls

    /// One answer of the REST API.
    public struct Answer: @unchecked Sendable {
        public let status: Int
        public let headers: [String: String]
        public let body: Data
        /// The body as a JSON object; empty when it isn't one.
        public var json: [String: Any] {
            ((try? JSONSerialization.jsonObject(with: body)) as? [String: Any]) ?? [:]
        }
        public var text: String { String(decoding: body, as: UTF8.self) }
        public subscript(_ key: String) -> String { json[key] as? String ?? "" }
    }

    /// Calls the API with the instance's token. `json` becomes the body.
    public func call(
        _ method: String, _ path: String, json: [String: Any]? = nil, body: Data? = nil,
        headers: [String: String] = [:],
        timeout: TimeInterval = 120
    ) async throws -> Answer {
        guard let address = URL(string: url + path) else { throw Unavailable("not a path: \(path)") }
        var request = URLRequest(url: address, timeoutInterval: timeout)
        request.httpMethod = method
        request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization")
        if let json {
            request.httpBody = try JSONSerialization.data(withJSONObject: json)
            request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        } else if let body {
            request.httpBody = body
            request.setValue("application/octet-stream", forHTTPHeaderField: "Content-Type")
        }
        for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
        let (data, response) = try await URLSession.shared.data(for: request)
        let http = response as? HTTPURLResponse
        var fields: [String: String] = [:]
        for (name, value) in http?.allHeaderFields ?? [:] { fields["\(name)".lowercased()] = "\(value)" }
        return Answer(status: http?.statusCode ?? 0, headers: fields, body: data)
    }

    /// Creates a sandbox and returns its id.
    public func create(_ spec: [String: Any] = [:]) async throws -> String {
        let answer = try await call("POST", "/v1/sandboxes", json: spec)
        guard answer.status == 201 else { throw Unavailable("create: \(answer.status) \(answer.text)") }
        return answer["id"]
    }

    /// What a command in a sandbox came to.
    public struct Outcome: Sendable {
        public let exitCode: Int?
        public let reason: String
        public let stdout: String
        public let stderr: String
    }

    /// Runs a command in a sandbox to its end.
    public func run(_ argv: [String], in sandbox: String, user: String? = nil, timeout: Double? = nil) async throws
        -> Outcome
    {
        var exec: [String: Any] = ["argv": argv, "wait": true]
        if let user { exec["user"] = user }
        if let timeout { exec["timeout_seconds"] = timeout }
        let answer = try await call("POST", "/v1/sandboxes/\(sandbox)/execs", json: exec)
        guard (200..<300).contains(answer.status), let result = answer.json["result"] as? [String: Any] else {
            throw Unavailable("exec: \(answer.status) \(answer.text)")
        }
        return Outcome(
            exitCode: result["exit_code"] as? Int, reason: result["reason"] as? String ?? "", stdout: answer["stdout"],
            stderr: answer["stderr"])
    }

    /// Runs a Python program on the host, with the instance's address and token in its environment
    /// (`CORDON_URL`, `CORDON_TOKEN`); returns its exit status and everything it printed.
    public func python(_ program: String, arguments: [String] = []) async throws -> (status: Int32, output: String) {
        let file = directory + "/program-\(UUID().uuidString).py"
        try program.write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        return try await Self.program("/usr/bin/python3", [file] + arguments, environment: clientEnvironment)
    }

    /// The environment that clients of this instance find it by: address and token, the credentials' file,
    /// and, for programs that look at the disk, the data directory.
    public var clientEnvironment: [String: String] {
        ProcessInfo.processInfo.environment.merging([
            "CORDON_URL": url, "CORDON_TOKEN": token, "CORDON_DATA_DIR": dataDirectory,
            "CORDON_PID": "\(servicePID)",
            "CORDON_CREDENTIALS": dataDirectory + "/credentials.json", "CORDON_PROGRAMS": (try? Self.products) ?? "",
        ]) { $1 }
    }

    /// Runs a program of the host to its end; returns its exit status and everything it printed.
    public static func program(
        _ path: String, _ arguments: [String], environment: [String: String]? = nil
    ) async throws -> (status: Int32, output: String) {
        try await HostProgram.result(of: path, arguments, environment: environment)
    }

    // MARK: The end

    /// Ends everything that belongs to this instance, and removes its directories.
    public func down() async throws {
        let (status, output) = try await Self.program(
            try Self.products + "/cordond", ["down", "--data-dir", dataDirectory, "--run-dir", runDirectory])
        if let service {
            service.kill(SIGTERM)
            await service.end()
        }
        guard status == 0 else { throw Unavailable("cordond down: \(output)") }
        try FileManager.default.removeItem(atPath: directory)
    }
}

/// One that the kernel gives to nobody by itself (ip(7), ip_local_port_range), and tunnels don't take.
public func somePort() -> Int { .random(in: 10_000...19_999) }

/// Also a sign to a program that waits for it.
public func makeEmptyFile(at path: String) { _ = FileManager.default.createFile(atPath: path, contents: nil) }

/// Starts a service, hands it to `body`, and takes it down whatever happens.
@discardableResult
public func withService<Result>(
    _ options: String..., through launcher: [String] = [], body: (ServiceInstance) async throws -> Result
) async throws -> Result {
    try await withService(options: options, through: launcher, body: body)
}

/// The same, with the options in an array.
@discardableResult
public func withService<Result>(
    options: [String], through launcher: [String] = [], body: (ServiceInstance) async throws -> Result
) async throws -> Result {
    let instance = try await ServiceInstance.start(options: options, launcher: launcher)
    do {
        let result = try await body(instance)
        try await instance.down()
        return result
    } catch {
        try? await instance.down()
        throw error
    }
}
