import LayerKeeping
import Logging
import SandboxModel

/// One build: stages from what they stand on, step by step. Used by one task.
final class DockerfileBuild {
    let store: ImageStore
    let order: BuildOrder
    let file: Dockerfile
    /// nil without one.
    let context: CopySource?
    let report: ImageReporter
    private var built: [Int: BuildStage] = [:]
    private var pins: [Pins] = []
    private var stepNumber = 0
    private var stepCount = 0

    init(
        store: ImageStore, order: BuildOrder, file: Dockerfile, context: CopySource?, report: @escaping ImageReporter
    ) {
        self.store = store
        self.order = order
        self.file = file
        self.context = context
        self.report = report
    }

    func run() async throws -> ImageRecord {
        let target = try targetStage()
        stepCount = needed(for: target).reduce(0) { $0 + 1 + file.stages[$1].instructions.count }
        let stage = try await build(target)
        let image = try await store.save(
            .build, root: stage.root, config: stage.config, layers: stage.layers, names: order.names,
            parent: stage.parent)
        pins = []
        return image
    }

    private func targetStage() throws -> Int {
        guard let name = order.target else { return file.stages.count - 1 }
        guard let index = file.stage(name, before: file.stages.count) else {
            throw CordonError.invalid(field: "target", value: name, rule: "a stage of the Dockerfile")
        }
        return index
    }

    /// Stages that one stands on or copies from, itself included.
    private func needed(for index: Int) -> Set<Int> {
        var found: Set<Int> = []
        var pending = [index]
        while let next = pending.popLast() {
            guard found.insert(next).inserted else { continue }
            if let base = file.stage(file.stages[next].image, before: next) { pending.append(base) }
            for instruction in file.stages[next].instructions {
                if case .copy(let copy) = instruction.kind, let from = copy.from,
                    let stage = file.stage(from, before: next)
                {
                    pending.append(stage)
                }
            }
        }
        return found
    }

    // MARK: Stages

    /// A stage that is built, now if it wasn't before.
    func build(_ index: Int) async throws -> BuildStage {
        if let stage = built[index] { return stage }
        let said = file.stages[index]
        var stage = try await base(of: said, index)
        await step(said.text, isCached: false)
        for instruction in said.instructions {
            do {
                try await carryOut(instruction, of: index, on: &stage)
            } catch let error as WordExpansion.Malformed {
                throw fault(instruction, error.message)
            } catch let error as CopyFault {
                throw fault(instruction, error.message)
            } catch let error as CordonError where error.code == .invalidArgument && error.field != "dockerfile" {
                throw fault(instruction, error.message)
            }
        }
        built[index] = stage
        return stage
    }

    private func base(of said: Dockerfile.Stage, _ index: Int) async throws -> BuildStage {
        if let earlier = file.stage(said.image, before: index) {
            var stage = try await build(earlier)
            (stage.arguments, stage.hasCommand) = ([:], false)
            return stage
        }
        let name: String
        do {
            name = try WordExpansion { [globals] in globals[$0] }.expand(said.image)
        } catch { throw DockerfileError(line: said.line, column: 1, message: error.message).converted }
        if name == "scratch" { return BuildStage(root: .nothing, config: .none) }
        guard let found = try await image(name) else { return BuildStage(root: .host, config: .none) }
        return BuildStage(root: found.root, config: found.config, parent: found)
    }

    /// The image that a name in the Dockerfile means, pulled where that is asked for, and kept until the build is over;
    /// nil for the host's.
    func image(_ text: String) async throws -> ImageRecord? {
        let name = try order.bases[text] ?? ImageName(text, field: "dockerfile")
        guard name != .host else { return nil }
        var found = try await store.find(name)
        if found == nil, order.pulls, case .reference(let reference) = name {
            found = try await store.fetch(reference, login: order.login, report: report)
        }
        guard let found else { throw CordonError.noImage(name) }
        try await pin(found.root.layers)
        // It can have been removed before it was pinned.
        guard try await store.records.image(found.id) != nil else { throw CordonError.noImage(name) }
        return found
    }

    /// `ARG`s before the first `FROM`, which `FROM` and stages that name them see.
    lazy var globals: [String: String] = {
        var found: [String: String] = [:]
        let room = ExpansionRoom()
        for instruction in file.arguments {
            guard case .argument(let arguments) = instruction.kind else { continue }
            for argument in arguments {
                let known = found
                let standard = try? argument.value.map { try WordExpansion(in: room) { known[$0] }.expand($0) }
                found[argument.name] = order.arguments[argument.name] ?? standard ?? nil
            }
        }
        return found
    }()

    // MARK: Steps

    func step(_ text: String, isCached: Bool) async {
        stepNumber += 1
        await report(.step(number: stepNumber, of: stepCount, text: text, isCached: isCached))
    }

    /// Keeps layers until the build is over.
    func pin(_ layers: [LayerName]) async throws { pins.append(try await store.pins.pin(layers)) }

    func fault(_ instruction: Instruction, _ message: String) -> CordonError {
        DockerfileError(line: instruction.line, column: 1, message: message).converted
    }

    /// Adds the layer that a step makes, by doing it or because it was done before.
    ///
    /// - Parameter parts: Everything that the layer depends on beside what is below it.
    func addLayer(
        _ instruction: Instruction, _ parts: [String], to stage: inout BuildStage,
        network: NetworkPolicy = .blocked, _ work: (SandboxID) async throws -> Void
    ) async throws {
        let name = LayerNaming.step(
            parts + (order.ignoresCache ? ["anew", SandboxID.mint().text] : []), on: stage.root)
        try await pin([name])
        let made: RecordedLayer
        if let known = try await store.unpacker.known(name) {
            await step(instruction.text, isCached: true)
            made = known
        } else {
            await step(instruction.text, isCached: false)
            let facts = try await store.builders.layer(name, on: stage.root, network: network, work)
            made = RecordedLayer(name: name, facts: facts)
            try await store.records.save(made)
        }
        try budget(stage.parent, stage.layers + [made])
        stage.layers.append(made)
        stage.root = try stage.root.adding(name)
    }

    /// Throws when the image would be larger than images may be.
    private func budget(_ parent: ImageRecord?, _ layers: [RecordedLayer]) throws {
        var left = LayerBudget(store.limits)
        if let parent { try left.take(LayerFacts(bytes: parent.bytes, entries: parent.entries)) }
        for layer in layers { try left.take(layer.facts) }
    }
}
