/// A command to run in several copies of a sandbox; every value has been checked.
public struct BranchOrder: Sendable, Hashable {
    public static let counts = 1...64
    /// What stands for the branch's number in an argument.
    public static let placeholder = "{i}"
    /// Paths that are told of what one branch has changed.
    public static let mostChanges = 200
    /// How long the snapshot that the branches start from is kept: as long as the request can be repeated.
    public static let snapshotTime: Duration = .seconds(24 * 3600)

    /// What becomes of a branch whose command succeeded.
    public enum Winners: String, Sendable, Hashable, CaseIterable {
        case end
        /// Its sandbox goes on like any other.
        case keep
        /// It becomes an image, and its sandbox ends.
        case snapshot
    }

    /// Branches are numbered from 1 to this.
    public var count: Int
    /// The command, as each branch runs it but for its number.
    public var program: ExecSpec
    /// Whether the first success ends the others.
    public var stopsAtFirstSuccess: Bool
    public var winners: Winners

    public init(count: Int, program: ExecSpec, stopsAtFirstSuccess: Bool = false, winners: Winners = .end) {
        self.count = count
        self.program = program
        self.stopsAtFirstSuccess = stopsAtFirstSuccess
        self.winners = winners
    }

    /// The command of one branch: with its number for `{i}`, and in `CORDON_BRANCH`.
    public func program(of branch: Int) throws(CordonError) -> ExecSpec {
        var program = program
        var argv: [String] = []
        for argument in program.command.argv { argv.append(Self.filled(argument, branch)) }
        program.command = try CommandSpec(argv: argv)
        program.environment = program.environment.overlaid(
            with: try Environment([Environment.branchVariable: "\(branch)"]))
        return program
    }

    private static func filled(_ argument: String, _ branch: Int) -> String {
        var (filled, rest) = ("", argument[...])
        while let open = rest.firstIndex(of: "{") {
            filled += rest[..<open]
            rest = rest[open...]
            let isPlace = rest.hasPrefix(placeholder)
            filled += isPlace ? "\(branch)" : "{"
            rest = rest.dropFirst(isPlace ? placeholder.count : 1)
        }
        return filled + rest
    }
}

/// What one branch has come to.
public struct BranchResult: Sendable {
    /// From 1.
    public var number: Int
    public var sandbox: SandboxID
    /// nil where its command was never started.
    public var program: ExecSnapshot?
    /// Of the command, or of the sandbox where that ended first.
    public var ending: Ending
    /// What it has changed; nil where its sandbox was over before anybody could look.
    public var changes: TreeDiff?
    /// Whether its sandbox goes on.
    public var isKept: Bool
    /// What it became, where that was asked for.
    public var image: ImageID?

    public init(
        number: Int, sandbox: SandboxID, program: ExecSnapshot?, ending: Ending, changes: TreeDiff? = nil,
        isKept: Bool = false, image: ImageID? = nil
    ) {
        self.number = number
        self.sandbox = sandbox
        self.program = program
        self.ending = ending
        self.changes = changes
        self.isKept = isKept
        self.image = image
    }

    public var hasSucceeded: Bool { ending.reason == .exited && ending.exitCode == 0 }
}

/// Something that happened while branches ran.
public enum BranchEvent: Sendable {
    /// What they start from is an image.
    case snapshot(ImageID)
    case started(number: Int, SandboxID)
    case ended(BranchResult)
}

/// What all branches have come to, in the order of their numbers.
public struct BranchOutcome: Sendable {
    /// What they started from.
    public var image: ImageID
    /// The number of the first to succeed.
    public var winner: Int?
    public var branches: [BranchResult]

    public init(image: ImageID, winner: Int?, branches: [BranchResult]) {
        self.image = image
        self.winner = winner
        self.branches = branches
    }
}

/// Hears of what happens; may take its time.
public typealias BranchReporter = @Sendable (BranchEvent) async -> Void
