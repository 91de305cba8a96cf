/// What a client asks for when it creates a sandbox; every value has been checked.
public struct SandboxSpec: Sendable, Hashable {
    public static let defaultTimeout: Duration = .seconds(300)
    public static let maximumTimeout: Duration = .seconds(86_400)

    public var app: AppName
    /// The sandbox that this is a sidecar of: it shares that one's network, app and lifetime, and has all else to itself.
    public var sidecarOf: SandboxID?
    /// Belongs to at most one running sandbox of the app; a sidecar's, to one running sidecar of its sandbox.
    public var name: SandboxName?
    public var tags: Tags
    /// What it is made from, as the client calls it: `host`, an image's id, or a reference.
    public var image: String
    /// What that stood for when it was created; nil for the host's, and before.
    public var imageID: ImageID?
    /// What its `/` shows before anything is written to it.
    public var root = RootImage.host
    /// Whether the host's `/usr` had changed since the image was made on it, when this was created.
    public var imageHostHasChanged = false
    /// The main command; empty for none. The sandbox ends with it.
    public var command: CommandSpec?
    /// Whether, without a command, the image's own is the main command. Settled once it is created.
    public var runsImageCommand = false
    /// The main command's terminal; nil for pipes.
    public var terminal: TerminalSpec?
    /// The image's variables, under all others.
    public var imageEnvironment = Environment.empty
    /// Variables of every command in the sandbox.
    public var environment: Environment
    /// Variables that name the sandbox itself, for which nobody knows the value before it is made; none from then on.
    public var ownNames: [String: OwnName] = [:]
    /// What is to be under them, as asked for; empty from the moment that it is resolved.
    public var secrets: [SecretSource] = []
    /// Whether there is a sealed environment on record, which every command gets under `environment`.
    public var hasSecrets = false
    /// Working directory of every command unless it names its own; absolute. nil, until it is created, for the
    /// image's, or `/`.
    public var workdir: String?
    /// Whom commands run as that don't say: the image's user. nil for root.
    public var user: String?
    /// The sandbox's lifetime, from the moment it runs.
    public var timeout: Duration
    /// How long nothing may happen before it ends; nil for no such limit.
    public var idleTimeout: Duration?
    public var resources: Resources
    /// The seccomp policy's name: `default` or `strict`.
    public var policy: String
    /// Where it may go; nil for what the service gives those that don't say, and for loopback alone in records of
    /// before there was anything else.
    public var network: NetworkPolicy?
    /// A policy that is on its way: the machine's side may have it already.
    public var networkChange: NetworkPolicy?
    /// Set when it is the sandbox of a run.
    public var run: RunMark?
    /// Ports that are reached from outside.
    public var tunnels: TunnelSpec = .none
    /// nil: it is ready once it runs.
    public var readinessProbe: ReadinessProbe?
    /// Volumes, and where they are seen.
    public var volumes: [VolumeMount] = []
    /// Buckets of S3 services, and where they are seen.
    public var buckets: [BucketMount] = []

    public init(
        app: AppName = .default, name: SandboxName? = nil, tags: Tags = .none, image: String = "host",
        command: CommandSpec? = nil, terminal: TerminalSpec? = nil, environment: Environment = .empty,
        workdir: String? = nil,
        timeout: Duration = SandboxSpec.defaultTimeout, idleTimeout: Duration? = nil,
        resources: Resources = Resources(), policy: String = "default", network: NetworkPolicy? = nil,
        networkChange: NetworkPolicy? = nil, run: RunMark? = nil
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
        self.network = network
        self.networkChange = networkChange
        self.run = run
    }
}

/// A text with the letters and digits of a sandbox's id in it.
public struct OwnName: Sendable, Hashable {
    public var before: String
    public var behind: String

    public init(before: String, behind: String = "") { (self.before, self.behind) = (before, behind) }
}

extension SandboxSpec {
    /// This, of the sandbox with that id: variables that name it have their values, under all that were asked for.
    public func named(_ id: SandboxID) throws(CordonError) -> SandboxSpec {
        guard !ownNames.isEmpty else { return self }
        var spec = self
        let letters = id.text.dropFirst(SandboxID.prefix.count)
        let own = try Environment(ownNames.mapValues { $0.before + letters + $0.behind })
        spec.environment = own.overlaid(with: environment)
        spec.ownNames = [:]
        return spec
    }

    /// This, made from an image: what the request doesn't say is the image's.
    public func made(from image: UsableImage) throws(CordonError) -> SandboxSpec {
        var spec = self
        spec.imageID = image.id
        spec.root = image.root
        spec.imageHostHasChanged = image.hostHasChanged
        spec.workdir = workdir ?? image.config.workdir ?? "/"
        spec.user = user ?? image.config.user
        spec.imageEnvironment = image.config.environment
        if command == nil, runsImageCommand {
            let own = image.config.entrypoint + image.config.command
            if !own.isEmpty { spec.command = try CommandSpec(argv: own) }
        }
        spec.runsImageCommand = false
        if let command, !image.config.entrypoint.isEmpty {
            spec.command = try CommandSpec(argv: image.config.entrypoint + command.argv)
        }
        return spec
    }
}

/// Environment variables: names `[A-Za-z_][A-Za-z0-9_]*`, none reserved, no NUL, 128 KiB in all.
public struct Environment: Sendable, Hashable {
    public static let maximumBytes = 128 * 1024
    /// The number of the branch that a command runs in: the one reserved name that can stand in a spec.
    public static let branchVariable = "CORDON_BRANCH"
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
            guard !name.hasPrefix("CORDON_") || name == Self.branchVariable else {
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
        guard path.isAbsolutePath, !path.utf8.contains(0), path.utf8.count <= 4095 else {
            throw .invalid(field: field, value: path, rule: "an absolute path of at most 4095 bytes without NUL")
        }
    }
}
