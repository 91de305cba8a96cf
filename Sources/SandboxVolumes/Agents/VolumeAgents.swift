import LayerKeeping
import Logging
import SandboxModel

/// Sandboxes of nobody's in which volumes' files are worked on: without a network, each with one volume. One that was
/// used is kept for some seconds, so that the next call needn't start one.
actor VolumeAgents {
    /// Where an agent has its volume.
    static let place = FilePath.volume

    /// One of them.
    private struct Agent {
        let volume: VolumeID
        let startedAt = ContinuousClock.now
        /// What it shows, its own published writes included.
        var layers: [LayerName]
        var published: LayerName?
        var users = 1
        var isWriting: Bool
        var idleSince: ContinuousClock.Instant?
        var pins: Pins
    }

    private let host: any SandboxHost
    private let machine: any VolumeHost
    private let pins: PinBoard
    private let node: NodeName
    private let limits: VolumeLimits
    private let logger: Logger
    /// For the ends of all of them together.
    private static let patience: Duration = .seconds(3)
    private var agents: [SandboxID: Agent] = [:]
    private var starting = 0

    init(
        host: any SandboxHost, machine: any VolumeHost, pins: PinBoard, node: NodeName, limits: VolumeLimits,
        logger: Logger
    ) {
        self.host = host
        self.machine = machine
        self.pins = pins
        self.node = node
        self.limits = limits
        self.logger = logger
    }

    /// An agent that shows the volume as it is on record: for a writer alone, or with other readers. Whoever gets it
    /// gives it back.
    func take(_ volume: StoredVolume, writing: Bool) async throws -> SandboxID {
        let id = volume.snapshot.id
        let fitting = agents.filter { $0.value.volume == id && !$0.value.isWriting }
        if let (found, _) = fitting.first(where: {
            $0.value.layers == volume.layers && (!writing || $0.value.users == 0) && !isOld($0.value)
        }) {
            agents[found]?.users += 1
            agents[found]?.isWriting = writing
            agents[found]?.idleSince = nil
            return found
        }
        if let (found, stale) = fitting.first(where: { $0.value.users == 0 && !isOld($0.value) }) {
            // Nobody else gets it meanwhile.
            agents[found]?.users = 1
            agents[found]?.isWriting = true
            let pinned: Pins
            do { pinned = try await pins.pin(volume.layers) } catch {
                await end(found)
                throw error
            }
            if (try? await machine.reload(.volume, in: found, published: stale.published, to: volume.layers)) == true {
                agents[found]?.layers = volume.layers
                agents[found]?.published = nil
                agents[found]?.isWriting = writing
                agents[found]?.idleSince = nil
                agents[found]?.pins = pinned
                return found
            }
            await end(found)
        }
        return try await start(volume, writing: writing)
    }

    private func isOld(_ agent: Agent) -> Bool {
        ContinuousClock.now - agent.startedAt > limits.agentLifetime / 2
    }

    private func start(_ volume: StoredVolume, writing: Bool) async throws -> SandboxID {
        if agents.count + starting >= limits.agents,
            let idle = agents.filter({ $0.value.users == 0 }).min(by: { $0.value.startedAt < $1.value.startedAt })
        {
            await end(idle.key)
        }
        guard agents.count + starting < limits.agents else {
            throw CordonError(
                .resourceExhausted, "\(limits.agents) volumes' files are being worked on", retryAfter: .seconds(1))
        }
        starting += 1
        defer { starting -= 1 }
        let pinned = try await pins.pin(volume.layers)
        let id = SandboxID.mint(lead: node.text)
        let spec = SandboxSpec(timeout: limits.agentLifetime, network: .blocked)
        _ = try await host.launch(
            LaunchOrder(
                id: id, spec: spec, hostname: "volume",
                mounts: [LayerMount(path: .volume, layers: volume.layers, isVolume: true)]))
        agents[id] = Agent(volume: volume.snapshot.id, layers: volume.layers, isWriting: writing, pins: pinned)
        return id
    }

    func openFiles(in agent: SandboxID) async throws -> any FileSession { try await host.openFiles(in: agent, as: nil) }

    /// The latest layer that was published of an agent's writes.
    func published(by agent: SandboxID) -> LayerName? { agents[agent]?.published }

    /// An agent's writes are on record; `head` is what they lie on there.
    func notePublished(_ layer: LayerName, on head: [LayerName], by agent: SandboxID) {
        guard let known = agents[agent] else { return }
        agents[agent]?.published = layer
        // Where somebody else has published meanwhile, it shows what nobody will ask for.
        agents[agent]?.layers = known.layers == head ? head + [layer] : []
    }

    func giveBack(_ agent: SandboxID) {
        guard let known = agents[agent] else { return }
        agents[agent]?.users = known.users - 1
        if known.users == 1 {
            agents[agent]?.isWriting = false
            agents[agent]?.idleSince = .now
        }
    }

    /// Ends those that nobody has used for a while.
    func endIdle() async {
        let now = ContinuousClock.now
        for (id, agent) in agents where agent.users == 0 {
            if let since = agent.idleSince, now - since > limits.agentIdleTime { await end(id) }
        }
    }

    /// Gives up soon: those that a launcher which is gone can't end any more the service's next start forgets.
    func endAll() async {
        let (over, signal) = AsyncStream.makeStream(of: Never.self)
        let ends = agents.keys.map { id in Task { await end(id) } }
        Task {
            for end in ends { await end.value }
            signal.finish()
        }
        let limit = Task {
            try? await Task.sleep(for: Self.patience)
            signal.finish()
        }
        for await _ in over {}
        limit.cancel()
    }

    /// Ends one: what it wrote and nobody published is gone.
    func end(_ id: SandboxID) async {
        guard agents.removeValue(forKey: id) != nil else { return }
        await Task { [host, machine, logger] in
            do {
                _ = try await host.terminate(id, detail: "its work is over")
                try await host.forget(id)
                try await machine.release(LeftWrites(sandbox: id, path: .volume))
            } catch {
                // Its lifetime ends it, and the next start of the service forgets it.
                logger.warning("an agent could not be ended", metadata: ["sandbox": "\(id)", "error": "\(error)"])
            }
        }.value
    }
}

extension FilePath {
    /// Where an agent has its volume.
    static let volume: FilePath = {
        guard let path = try? FilePath("/volume") else { preconditionFailure("a path that is one") }
        return path
    }()
}
