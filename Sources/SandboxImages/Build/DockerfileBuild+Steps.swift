import SandboxModel

extension DockerfileBuild {
    func carryOut(_ instruction: Instruction, of index: Int, on stage: inout BuildStage) async throws {
        let room = ExpansionRoom()
        let words = stage.expansion(in: room)
        switch instruction.kind {
        case .run(let command, let input): return try await run(command, input, instruction, on: &stage)
        case .copy(let copy): return try await self.copy(copy, instruction, of: index, on: &stage)
        case .workdir(let path):
            return try await changeDirectory(stage.absolute(try words.expand(path)), instruction, on: &stage)
        case .argument(let arguments):
            for argument in arguments {
                let standard = try argument.value.map { try stage.expansion(in: room).expand($0) }
                stage.arguments[argument.name] = order.arguments[argument.name] ?? standard ?? globals[argument.name]
            }
            try Self.requireRoom(for: stage.arguments, field: "ARG")
        case .environment(let pairs):
            var variables: [String: String] = [:]
            for pair in pairs { variables[try words.expand(pair.name)] = try words.expand(pair.value) }
            let changed = try Environment(variables, field: "ENV")
            stage.config.environment = try Environment(
                stage.config.environment.overlaid(with: changed).variables, field: "ENV")
        case .label(let pairs):
            for pair in pairs { stage.config.labels[try words.expand(pair.name)] = try words.expand(pair.value) }
            try Self.requireRoom(for: stage.config.labels, field: "LABEL")
        case .user(let user): stage.config.user = try words.expand(user)
        case .shell(let shell): stage.config.shell = shell
        case .expose(let ports):
            let said = try ports.map { try words.expand($0) }.map { $0.contains("/") ? $0 : "\($0)/tcp" }
            stage.config.exposedPorts = Set(stage.config.exposedPorts + said).sorted()
            guard stage.config.exposedPorts.count <= Self.mostPorts else {
                throw fault(instruction, "more than \(Self.mostPorts) ports")
            }
        case .command(let command):
            stage.config.command = stage.shell(command)
            stage.hasCommand = true
        case .entrypoint(let command):
            stage.config.entrypoint = stage.shell(command)
            if !stage.hasCommand { stage.config.command = [] }
        case .from: break
        }
        try stage.config.check()
        await step(instruction.text, isCached: false)
    }

    /// As much as one instruction's variables may come to, for all instructions of a kind together.
    private static func requireRoom(for pairs: [String: String], field: String) throws(CordonError) {
        let bytes = pairs.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard bytes <= ExpansionRoom.maximumBytes else {
            throw .invalid(field: field, value: nil, rule: "at most \(ExpansionRoom.maximumBytes >> 20) MiB in all")
        }
    }

    private static var mostPorts: Int { 1000 }

    // MARK: RUN and WORKDIR

    private func run(
        _ command: Instruction.Command, _ input: Instruction.Heredoc?, _ instruction: Instruction,
        on stage: inout BuildStage
    ) async throws {
        if case .shell(let text) = command, text.hasPrefix("#!") {
            throw fault(instruction, "a text that names its interpreter isn't served: RUN python3 <<EOF does the same")
        }
        let argv = stage.shell(command)
        let environment = try stage.environment()
        let workdir = stage.config.workdir ?? "/"
        let text = try input.map { $0.expands ? try stage.expansion().expandVariables($0.content) : $0.content }
        let network = order.network ?? store.limits.network
        let spec = ExecSpec(
            command: try CommandSpec(argv: argv), user: stage.config.user, timeout: store.limits.stepTime,
            onFull: .drop, stdin: text != nil)
        let exec = ExecOrder(
            id: spec.id, spec: spec,
            environment: order.secrets.map { environment.overlaid(with: $0.environment) } ?? environment,
            workdir: workdir)
        let parts =
            ["RUN"] + argv + ["env"] + environment.variables.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
            + ["workdir", workdir, "user", stage.config.user ?? "", "input", text ?? "", "network", "\(network)"]
            + (order.secrets.map { ["secrets", $0.tag] } ?? [])
        try await addLayer(instruction, parts, to: &stage, network: network) { sandbox in
            let process = StepProcess(
                host: store.builders.host, sandbox: sandbox, order: exec, input: text.map { Array($0.utf8) })
            let ending = try await process.run(report)
            guard ending.exitCode == 0 else {
                throw CordonError(
                    .failedPrecondition,
                    "line \(instruction.line) of the Dockerfile: RUN ended with "
                        + (ending.exitCode.map { "status \($0)" } ?? ending.detail ?? ending.reason.rawValue),
                    field: "dockerfile",
                    detail: ["line": "\(instruction.line)", "ending": ending.reason.rawValue])
            }
        }
    }

    private func changeDirectory(
        _ text: String, _ instruction: Instruction, on stage: inout BuildStage
    ) async throws {
        try Workdir.check(text)
        let path = try FilePath(text)
        stage.config.workdir = path.text
        try await addLayer(instruction, ["WORKDIR", path.text], to: &stage) { sandbox in
            let session = try await store.builders.host.openFiles(in: sandbox, as: nil)
            defer { session.close() }
            try await session.makeDirectory(path, parents: true, mode: nil)
        }
    }
}
