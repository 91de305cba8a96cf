import SandboxModel

/// What a stage of a build has come to so far.
struct BuildStage: Sendable {
    var root: RootImage
    var config: ImageConfig
    /// What it stands on; nil for `scratch` and `host`.
    var parent: ImageRecord?
    /// What its steps have made, lowest first.
    var layers: [RecordedLayer] = []
    /// `ARG`s that were said so far.
    var arguments: [String: String] = [:]
    /// Whether `CMD` was said: `ENTRYPOINT` takes away one that was there before.
    var hasCommand = false

    /// What variables in an instruction stand for: the image's come before arguments.
    func expansion(in room: ExpansionRoom = ExpansionRoom()) -> WordExpansion {
        let (environment, arguments) = (config.environment.variables, arguments)
        return WordExpansion(in: room) { environment[$0] ?? arguments[$0] }
    }

    /// What `RUN` has in its environment.
    func environment() throws(CordonError) -> Environment {
        try Environment(arguments).overlaid(with: config.environment)
    }

    /// A path as an instruction has it: from the working directory unless it says where from.
    func absolute(_ path: String) -> String {
        guard !path.isAbsolutePath else { return path }
        let base = config.workdir ?? "/"
        return (base.hasSuffix("/") ? base : base + "/") + path
    }

    func shell(_ command: Instruction.Command) -> [String] {
        switch command {
        case .exec(let words): words
        case .shell(let text): (config.shell.isEmpty ? ["/bin/sh", "-c"] : config.shell) + [text]
        }
    }
}
