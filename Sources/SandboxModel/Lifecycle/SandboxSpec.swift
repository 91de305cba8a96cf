/// What a client asks for when it creates a sandbox; every value has been checked.
public struct SandboxSpec: Sendable, Hashable {
    public static let defaultTimeout: Duration = .seconds(300)
    public static let maximumTimeout: Duration = .seconds(86_400)

    public var app: AppName
    public var name: SandboxName?
    public var tags: Tags
    /// `host` is the one image so far: the host's own `/usr` over a skeleton root.
    public var image: String
    /// The main command; empty for none. The sandbox ends with it.
    public var command: CommandSpec?
    /// The main command's terminal; nil for pipes.
    public var terminal: TerminalSpec?
    /// Variables of every command in the sandbox.
    public var environment: Environment
    /// Working directory of every command unless it names its own; absolute.
    public var workdir: String
    /// The sandbox's lifetime, from the moment it runs.
    public var timeout: Duration
    /// How long nothing may happen before it ends; nil for no such limit.
    public var idleTimeout: Duration?
    public var resources: Resources
    /// The seccomp policy's name: `default` or `strict`.
    public var policy: String

    public init(
        app: AppName = .default, name: SandboxName? = nil, tags: Tags = .none, image: String = "host",
        command: CommandSpec? = nil, terminal: TerminalSpec? = nil, environment: Environment = .empty,
        workdir: String = "/",
        timeout: Duration = SandboxSpec.defaultTimeout, idleTimeout: Duration? = nil,
        resources: Resources = Resources(), policy: String = "default"
    ) {
        self.app = app
        self.name = name
        self.tags = tags
        self.image = image
        self.command = command
        self.terminal = terminal
        self.environment = environment
        self.workdir = workdir
        self.timeout = timeout
        self.idleTimeout = idleTimeout
        self.resources = resources
        self.policy = policy
    }
}

/// Environment variables: names `[A-Za-z_][A-Za-z0-9_]*`, none reserved, no NUL, 128 KiB in all.
public struct Environment: Sendable, Hashable {
    public static let maximumBytes = 128 * 1024
    public let variables: [String: String]

    public static let empty = Environment(unchecked: [:])

    private init(unchecked variables: [String: String]) { self.variables = variables }

    /// Throws `invalidArgument` for `<field>.<name>`; the error never holds a variable's value.
    public init(_ variables: [String: String], field: String = "env") throws(CordonError) {
        var total = 0
        for (name, value) in variables {
            guard Self.isName(name) else {
                throw .invalid(field: field, value: name, rule: "names are [A-Za-z_][A-Za-z0-9_]*, at most 256 bytes")
            }
            guard !name.hasPrefix("CORDON_") else {
                throw .invalid(
                    field: "\(field).\(name)", value: nil, rule: "names that start with CORDON_ are reserved")
            }
            guard !value.utf8.contains(0) else {
                throw .invalid(field: "\(field).\(name)", value: nil, rule: "a value holds no NUL byte")
            }
            total += name.utf8.count + value.utf8.count + 2
        }
        guard total <= Self.maximumBytes else {
            throw .invalid(field: field, value: "\(total) bytes", rule: "at most \(Self.maximumBytes) bytes in all")
        }
        self.variables = variables
    }

    private static func isName(_ name: String) -> Bool {
        guard (1...256).contains(name.utf8.count), let first = name.utf8.first, !(48...57).contains(first)
        else { return false }
        return name.utf8.allSatisfy {
            (65...90).contains($0) || (97...122).contains($0) || (48...57).contains($0) || $0 == 95
        }
    }

    /// These variables, with those of `other` over them.
    public func overlaid(with other: Environment) -> Environment {
        Environment(unchecked: variables.merging(other.variables) { $1 })
    }
}

/// A command line and what it runs with.
public struct CommandSpec: Sendable, Hashable {
    public static let maximumArgumentBytes = 128 * 1024
    public static let maximumArgumentCount = 4096

    /// The program and its arguments, at least one; the program is searched in the sandbox's `PATH`
    /// when it holds no slash.
    public let argv: [String]

    /// Throws `invalidArgument` for `<field>` or `<field>[i]`.
    public init(argv: [String], field: String = "argv") throws(CordonError) {
        guard let program = argv.first, !program.isEmpty else {
            throw .invalid(field: field, value: nil, rule: "at least a program to run")
        }
        guard argv.count <= Self.maximumArgumentCount else {
            throw .invalid(
                field: field, value: "\(argv.count) arguments", rule: "at most \(Self.maximumArgumentCount) arguments")
        }
        var total = 0
        for (index, argument) in argv.enumerated() {
            guard !argument.utf8.contains(0) else {
                throw .invalid(field: "\(field)[\(index)]", value: nil, rule: "an argument holds no NUL byte")
            }
            total += argument.utf8.count + 1
        }
        guard total <= Self.maximumArgumentBytes else {
            throw .invalid(
                field: field, value: "\(total) bytes", rule: "at most \(Self.maximumArgumentBytes) bytes in all")
        }
        self.argv = argv
    }
}

/// The rule for working directories.
public enum Workdir {
    /// Throws `invalidArgument` unless `path` is absolute, without NUL and at most 4,095 bytes.
    public static func check(_ path: String, field: String = "workdir") throws(CordonError) {
        guard path.hasPrefix("/"), !path.utf8.contains(0), path.utf8.count <= 4095 else {
            throw .invalid(field: field, value: path, rule: "an absolute path of at most 4095 bytes without NUL")
        }
    }
}
