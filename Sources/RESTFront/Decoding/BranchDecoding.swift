import CordonAPI
import SandboxModel

/// How long branches run.
private enum BranchUntil: String, CaseIterable {
    case all
    case firstSuccess = "first_success"
}

extension BranchOrder {
    /// The branches that a `BranchRequest`'s body asks for.
    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<BranchRequest.CodingKeys>(json)
        guard let count = try fields.whole(.count, in: Self.counts) else {
            throw .invalid(
                field: "count", value: nil, rule: "a number from \(Self.counts.lowerBound) to \(Self.counts.upperBound)"
            )
        }
        var program = ExecSpec(id: .run, command: try CommandSpec(argv: try fields.strings(.argv) ?? []))
        if let variables = try fields.pairs(.env) { program.environment = try Environment(variables) }
        program.secrets = try SecretSource.all(fields, .secrets)
        if let path = try fields.string(.workdir) {
            try Workdir.check(path)
            program.workdir = path
        }
        if let user = try fields.string(.user) { program.user = try UserRule.checked(user) }
        program.timeout =
            try fields.duration(.timeoutSeconds, upTo: ExecOrderRequest.maximumTimeout) ?? SandboxSpec.defaultTimeout
        program.stdin = false
        self.init(
            count: count, program: program,
            stopsAtFirstSuccess: try fields.choice(.until, of: BranchUntil.self) == .firstSuccess,
            winners: try fields.choice(.winners, of: Winners.self) ?? .end)
        // The longest number shows whether every command is one.
        _ = try self.program(of: count)
    }
}
