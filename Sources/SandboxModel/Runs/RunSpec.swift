/// A program to run once in a sandbox of its own; every value has been checked.
public struct RunSpec: Sendable, Hashable {
    /// The program's exec.
    public static let execID = ExecID.run
    /// How much longer than its program a run's sandbox may live: for files to come and go.
    public static let margin: Duration = .seconds(60)
    public static let maximumFiles = 1000
    public static let maximumOutputs = 100
    /// The most that is collected of one file, and of all.
    public static let outputFileBytes = 8 << 20
    public static let outputBytes = 16 << 20

    /// Its lifetime follows from the program's timeout.
    public var sandbox: SandboxSpec
    public var program: ExecSpec
    /// Where the program starts; made when it isn't there. Absolute.
    public var workdir: FilePath
    /// Written before the program starts, as its user.
    public var files: [RunFile]
    /// Collected when the program has ended.
    public var outputs: [FilePath]
    /// The whole of stdin; nil for none.
    public var stdin: [UInt8]?
    /// Whether the run goes on when nobody waits for it.
    public var isDetached: Bool

    public init(
        sandbox: SandboxSpec, program: ExecSpec, workdir: FilePath, files: [RunFile] = [], outputs: [FilePath] = [],
        stdin: [UInt8]? = nil, isDetached: Bool = false
    ) {
        self.sandbox = sandbox
        self.program = program
        self.workdir = workdir
        self.files = files
        self.outputs = outputs
        self.stdin = stdin
        self.isDetached = isDetached
    }
}

/// A file that a run starts with.
public struct RunFile: Sendable, Hashable {
    public var path: FilePath
    public var content: [UInt8]
    public var mode: UInt32?
    /// The request's field that it came from, for errors.
    public var field: String

    public init(path: FilePath, content: [UInt8], mode: UInt32?, field: String) {
        self.path = path
        self.content = content
        self.mode = mode
        self.field = field
    }
}

/// What makes a sandbox a run's: kept on record, so that a service that was killed knows what to do.
public struct RunMark: Sendable, Hashable {
    public var isDetached: Bool
    /// Whether the request can be repeated under its idempotency key.
    public var hasKey: Bool

    public init(isDetached: Bool, hasKey: Bool) {
        self.isDetached = isDetached
        self.hasKey = hasKey
    }
}

/// A run whose program was started, or could not be.
public struct StartedRun: Sendable {
    public var sandbox: SandboxSnapshot
    /// nil when its sandbox ended before the program was started.
    public var program: ExecSnapshot?
    /// How long creating the sandbox, writing the files and starting the program took; zero for what an
    /// earlier request had done.
    public var creating: Duration
    public var writing: Duration
    public var starting: Duration

    public init(
        sandbox: SandboxSnapshot, program: ExecSnapshot?, creating: Duration, writing: Duration, starting: Duration
    ) {
        self.sandbox = sandbox
        self.program = program
        self.creating = creating
        self.writing = writing
        self.starting = starting
    }
}

/// A run that is over; of its sandbox only the record and the output are left.
public struct FinishedRun: Sendable {
    public var sandbox: SandboxSnapshot
    public var program: ExecSnapshot?
    /// One for each path that was asked for, in that order.
    public var outputs: [RunOutput]
    /// How long collecting them and ending the sandbox took.
    public var finishing: Duration

    public init(sandbox: SandboxSnapshot, program: ExecSnapshot?, outputs: [RunOutput], finishing: Duration) {
        self.sandbox = sandbox
        self.program = program
        self.outputs = outputs
        self.finishing = finishing
    }
}

/// A file that a run was asked for, or why there is none.
public struct RunOutput: Sendable {
    public var path: FilePath
    public var result: Result<Content, CordonError>

    public struct Content: Sendable {
        public var bytes: [UInt8]
        public var attributes: FileAttributes

        public init(bytes: [UInt8], attributes: FileAttributes) {
            self.bytes = bytes
            self.attributes = attributes
        }
    }

    public init(path: FilePath, result: Result<Content, CordonError>) {
        self.path = path
        self.result = result
    }
}
