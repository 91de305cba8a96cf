import SandboxModel

extension Sandbox {
    /// Goes on with a sandbox from the records, as the machine's side has it; nil when it knows
    /// nothing of it. Called once, before any request.
    func recover(_ hosted: HostedSandbox?, at now: Timestamp) throws {
        guard let hosted else {
            return try finish(Ending(.hostRestarted, detail: "the machine knows nothing of it any more", at: now))
        }
        if case .creating = lifecycle {
            let main = hosted.execs.first { $0.id == .main }
            _ = try launched(LaunchReceipt(startedAt: hosted.startedAt, deadline: hosted.deadline, main: main))
        } else {
            try readoptDeadline(hosted.deadline)
            var changes: [RecordChange] = []
            for exec in execs.unfinished {
                let atHost = hosted.execs.first { $0.id == exec.id }
                changes += try reconcile(exec, with: atHost, sandboxIsOver: hosted.ending != nil, at: now)
            }
            if hosted.ending == nil { changes += event(.readopted, at: now) }
            world.journal.write(changes)
            if hosted.ending == nil { startProbing() }
        }
        if let ending = hosted.ending { try finish(ending) }
    }

    /// A change of the deadline can have reached the machine's side and not the record.
    private func readoptDeadline(_ deadline: Timestamp) throws {
        guard case .running(let running) = lifecycle else { return }
        // The machine's side counts on another clock: what it converts back is off by a little.
        let difference = deadline.microseconds - running.deadline.microseconds
        guard abs(difference) > 10_000 else { return }
        try lifecycle.setDeadline(deadline)
        spec.timeout = .microseconds(deadline.microseconds - running.startedAt.microseconds)
        publish(ownSnapshot())
        world.journal.write([.deadlines(id, spec: spec, deadline: deadline)])
    }

    private func reconcile(
        _ exec: ExecSnapshot, with hosted: HostedExec?, sandboxIsOver: Bool, at now: Timestamp
    ) throws -> [RecordChange] {
        switch (exec.status, hosted?.status) {
        case (.starting, .some(.running)), (.starting, .some(.ended)):
            guard let hosted else { return [] }
            return try apply(hosted, to: exec)
        case (.starting, .some(.starting)):
            guard let hosted else { return [] }
            return try apply(HostedExec(id: hosted.id, startedAt: hosted.startedAt, status: .running), to: exec)
        case (.starting, nil):
            // It never reached the machine's side and was never answered: a repeat starts it.
            execs.remove(exec.id)
            return [.execRemoved(exec.id, of: id)]
        case (.running, .some(.ended(let ending))):
            return update(try ExecLifecycle.end(exec, with: ending))
                + event(.execEnded, at: ending.at, exec: exec.id, ending: ending)
        case (.running, nil) where !sandboxIsOver:
            let ending = Ending(.supervisorLost, detail: "the sandbox's supervisor doesn't know it any more", at: now)
            return update(try ExecLifecycle.end(exec, with: ending))
                + event(.execEnded, at: now, exec: exec.id, ending: ending)
        case (.running, _), (.ended, _):
            return []
        }
    }
}
