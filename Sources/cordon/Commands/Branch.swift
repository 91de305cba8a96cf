import ArgumentParser
import CordonAPI
import CordonClient

/// `cordon branch`: a command in several copies of a sandbox.
struct BranchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "branch", abstract: "Runs a command in several copies of a sandbox, and shows what came of each.",
        discussion: """
            {i} stands for the copy's number, from 1, which is also in CORDON_BRANCH. The sandbox itself goes on as it \
            is. Ends with 0 when all succeeded, or one where that is enough, and with 1 otherwise.
            """)

    @OptionGroup var service: ServiceOptions
    @Option(name: [.customShort("n"), .customLong("count")], help: "How many copies, 1 to 64.") var count: Int
    @Flag(help: "The first success ends the others.") var firstSuccess = false
    @Flag(help: "The sandboxes of those that succeed go on.") var keep = false
    @Flag(help: "Those that succeed become images.") var snapshot = false
    @Option(name: [.long, .short], help: ArgumentHelp("A variable; KEY alone takes ours.", valueName: "KEY=value"))
    var env: [String] = []
    @Option(help: ArgumentHelp("A secret whose variables it gets; may be repeated.", valueName: "name"))
    var secret: [String] = []
    @Option(help: "The working directory.") var workdir: String?
    @Option(help: "The user, a name or number, optionally with :group.") var user: String?
    @Option(help: "Seconds until a command is ended; 300 unless said.") var timeout: Double?
    @Flag(help: "Print all there is to know, as JSON.") var json = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference
    @Argument(parsing: .postTerminator, help: "The command and its arguments.") var argv: [String]

    func validate() throws {
        if keep, snapshot { throw ValidationError("either --keep or --snapshot") }
    }

    func run() async throws {
        guard !argv.isEmpty else { throw ValidationError("a command belongs behind --") }
        let client = try service.client()
        var request = BranchRequest(count: count, argv: argv)
        if !env.isEmpty { request.env = try variables(env) }
        if !secret.isEmpty { request.secrets = secret.map { .stored($0) } }
        request.workdir = workdir
        request.user = user
        request.timeoutSeconds = timeout
        if firstSuccess { request.until = "first_success" }
        if keep { request.winners = "keep" }
        if snapshot { request.winners = "snapshot" }
        let wanted = request
        let made = try await reporting {
            try await client.branch(try await client.identify(sandbox), wanted) { _ in }
        }
        if json { try printJSON(made, forPeople: true) } else { show(made) }
        let successes = made.branches.count { $0.exitCode == 0 }
        guard firstSuccess ? made.winner != nil : successes == made.branches.count else { throw ExitCode.failure }
    }

    private func show(_ made: BranchSet) {
        print(Self.row("BRANCH", "SANDBOX", "ENDED", "CHANGES", "IMAGE"))
        for branch in made.branches {
            let ending = branch.exitCode.map { "exit \($0)" } ?? branch.result.reason
            let changes = branch.changes.map { "\($0.count)\(branch.changesTruncated == true ? "+" : "")" } ?? "-"
            print(
                Self.row(
                    "\(branch.number)\(branch.number == made.winner ? "*" : "")", branch.sandboxID,
                    ending + (branch.kept ? ", goes on" : ""), changes, branch.imageID ?? "-"))
        }
        for branch in made.branches {
            if let line = (branch.stdout ?? "").split(separator: "\n").last {
                print("\(branch.number): \(line.filter { !$0.isNewline && ($0.asciiValue ?? 32) >= 32 }.prefix(200))")
            }
        }
    }

    private static func row(_ columns: String...) -> String {
        zip(columns, [6, 29, 20, 7, 0])
            .map { $0.padding(toLength: max($1, $0.count), withPad: " ", startingAt: 0) }.joined(separator: "  ")
    }
}
