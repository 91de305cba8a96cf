import CordonAPI
import SandboxModel

/// What a `StartExecRequest`'s body asks for.
struct ExecOrderRequest {
    static let maximumTimeout = SandboxSpec.maximumTimeout

    var spec: ExecSpec
    /// Whether the answer comes when the exec is over.
    var wait: Bool
    /// All of stdin, when it was given.
    var stdin: [UInt8]?

    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<StartExecRequest.CodingKeys>(json)
        let command = try CommandSpec(argv: try fields.strings(.argv) ?? [])
        spec = ExecSpec(command: command)
        if let text = try fields.string(.execID) { spec.id = try Self.chosenID(text) }
        if let variables = try fields.pairs(.env) { spec.environment = try Environment(variables) }
        spec.secrets = try SecretSource.all(fields, .secrets)
        if let path = try fields.string(.workdir) {
            try Workdir.check(path)
            spec.workdir = path
        }
        if let user = try fields.string(.user) { spec.user = try UserRule.checked(user) }
        spec.timeout = try fields.duration(.timeoutSeconds, upTo: Self.maximumTimeout)
        spec.onFull = try fields.choice(.onFull, of: FullPolicy.self) ?? spec.onFull
        spec.stdout = try fields.choice(.stdout, of: OutputDisposition.self) ?? spec.stdout
        spec.stderr = try fields.choice(.stderr, of: OutputDisposition.self) ?? spec.stderr
        spec.terminal = try TerminalSpec(fields, .pty)
        try Self.checkOutputs(of: spec)
        wait = try fields.bool(.wait) ?? false
        stdin = try StdinFields.bytes(try fields.string(.stdin), try fields.string(.stdinBase64))
        if stdin != nil, !wait {
            throw .invalid(
                field: fields.value(.stdin) != nil ? "stdin" : "stdin_base64", value: nil,
                rule: "only with \"wait\": true; write to …/stdin otherwise")
        }
        // Without anything to say, a waited-for exec reads from /dev/null and isn't kept waiting.
        spec.stdin = !wait || stdin != nil
    }

    /// A terminal shows both streams in one, which is kept: neither can be thrown away.
    private static func checkOutputs(of spec: ExecSpec) throws(CordonError) {
        guard spec.terminal != nil else { return }
        for (field, disposition) in [("stdout", spec.stdout), ("stderr", spec.stderr)] where disposition == .discard {
            throw .invalid(field: field, value: disposition.rawValue, rule: "keep, with a pty")
        }
    }

    private static func chosenID(_ text: String) throws(CordonError) -> ExecID {
        guard let id = ExecID(text) else {
            throw .invalid(
                field: "exec_id", value: text, rule: "1–64 characters of [A-Za-z0-9._-], not starting with a dot")
        }
        guard id != .main else {
            throw .invalid(field: "exec_id", value: text, rule: "main is the sandbox's main command")
        }
        return id
    }
}

/// The signal that a `SignalRequest`'s body names.
struct SignalOrder {
    let number: Int32

    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<SignalRequest.CodingKeys>(json)
        let text: String
        switch fields.value(.signal) {
        case .integer(let number): text = String(number)
        case .string(let name): text = name
        case nil: throw Self.wrong(nil)
        case let other?: throw Self.wrong(other.kind)
        }
        guard let number = SignalName.number(text) else { throw Self.wrong(text) }
        self.number = number
    }

    private static func wrong(_ value: String?) -> CordonError {
        .invalid(field: "signal", value: value, rule: "a number from 1 to 64, or a name such as TERM or SIGTERM")
    }
}
