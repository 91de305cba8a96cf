import LayerKeeping
import SandboxModel

/// Volumes' files, from outside: nothing of them is touched but by an agent in a sandbox.
extension VolumeStore {
    public func readVolume(_ reference: VolumeReference) async throws -> any FileSession {
        try await during("opening a volume") {
            let agent = try await agents.take(find(reference), writing: false)
            do {
                return VolumeFiles(try await agents.openFiles(in: agent), isReadOnly: true) { [agents] in
                    // Nobody waits for it: it is ready for the next a moment later.
                    Task { await agents.giveBack(agent) }
                }
            } catch {
                await agents.end(agent)
                throw error
            }
        }
    }

    public func changeVolume<Value: Sendable>(
        _ reference: VolumeReference, _ work: (any VolumeChange) async throws -> Value
    ) async throws -> Value {
        let (volume, agent) = try await during("opening a volume") {
            let volume = try await find(reference)
            return (volume.snapshot.id, try await agents.take(volume, writing: true))
        }
        do {
            // What it throws is the caller's own.
            let value = try await work(AgentChange(agent: agent, agents: agents))
            try await during("publishing a change of a volume") { try await publish(agent, to: volume) }
            await agents.giveBack(agent)
            return value
        } catch {
            await agents.end(agent)
            throw error
        }
    }

    /// To the end, even when the caller goes away: it is published or not, and the agent knows which.
    private func publish(_ agent: SandboxID, to id: VolumeID) async throws {
        try await Task { [self] in
            try await volumeTurns.hold(id) {
                let volume = try await find(.id(id))
                let published = try await publish(
                    from: agent, at: .volume, published: agents.published(by: agent), to: volume, mount: nil,
                    isAwaited: true)
                if let published { await agents.notePublished(published.layer, on: volume.layers, by: agent) }
            }
        }.value
    }
}

private struct AgentChange: VolumeChange {
    let agent: SandboxID
    let agents: VolumeAgents

    func openFiles() async throws -> any FileSession {
        VolumeFiles(try await agents.openFiles(in: agent), isReadOnly: false) {}
    }
}
