import SandboxModel

extension Engine {
    public func startExec(
        _ spec: ExecSpec, in id: SandboxID, by caller: Caller, key: IdempotencyKey?
    ) async throws -> ExecSnapshot {
        let sandbox = try find(id)
        return try await timed(world.observer.execAsked) {
            try await uncancelled("starting an exec") { [self] in
                guard let key else { return try await sandbox.startExec(spec, by: caller, key: nil) }
                return try await gate.pass(KeyGate.Scope(key, caller)) {
                    switch try await world.records.outcome(of: key, by: caller, in: id, at: world.clock.now()) {
                    case .new: return try await sandbox.startExec(spec, by: caller, key: key)
                    case .existing(let text):
                        guard let exec = ExecID(text) else { throw CordonError.keyConflict(key) }
                        return try await sandbox.earlierExec(exec)
                    case .conflict: throw CordonError.keyConflict(key)
                    }
                }
            }
        }
    }

    public func execs(in id: SandboxID) async throws -> [ExecSnapshot] {
        let sandbox = try find(id)
        return try await world.boundary.during("listing execs") { try await sandbox.allExecs() }
    }

    public func exec(_ exec: ExecID, in id: SandboxID) async throws -> ExecSnapshot {
        let sandbox = try find(id)
        return try await world.boundary.during("reading an exec") { try await sandbox.exec(exec) }
    }

    public func wait(for exec: ExecID, in id: SandboxID, upTo limit: Duration) async throws -> ExecSnapshot {
        let sandbox = try find(id)
        return try await world.boundary.during("waiting for an exec") {
            try await sandbox.waitForExec(exec, upTo: limit)
        }
    }

    public func signal(
        _ exec: ExecID, in id: SandboxID, number: Int32, by caller: Caller, key: IdempotencyKey?
    ) async throws {
        guard (1...64).contains(number) else {
            throw CordonError.invalid(field: "signal", value: "\(number)", rule: "a signal's number, 1–64")
        }
        let sandbox = try find(id)
        try await once(key, by: caller, on: exec, in: id, during: "signalling an exec") { [world] in
            try await sandbox.requireUnfinished(exec)
            try await world.host.signal(exec, in: id, number: number)
        }
    }

    public func resize(_ exec: ExecID, in id: SandboxID, to size: TerminalSize) async throws {
        let sandbox = try find(id)
        try await world.boundary.during("resizing a terminal") {
            try await sandbox.requireTerminal(exec)
            try await world.host.resize(exec, in: id, to: size)
        }
    }

    public func stdinStart(
        of exec: ExecID, in id: SandboxID, at offset: UInt64?, by caller: Caller, key: IdempotencyKey?
    ) async throws -> UInt64 {
        let accepted = try await stdinState(of: exec, in: id).accepted
        let start = offset ?? accepted
        // A refused write is no use of its key.
        guard start <= accepted, let key else { return start }
        return try await uncancelled("writing to stdin") { [world, gate] in
            try await gate.pass(KeyGate.Scope(key, caller)) {
                switch try await world.records.use(
                    key, by: caller, on: exec, of: id, result: String(start), at: world.clock.now())
                {
                case .new: return start
                case .existing(let text): return UInt64(text) ?? start
                case .conflict: throw CordonError.keyConflict(key)
                }
            }
        }
    }

    /// Does something to an exec, with a key only once: the key is written down before, and freed
    /// when the thing could not be done.
    private func once(
        _ key: IdempotencyKey?, by caller: Caller, on exec: ExecID, in id: SandboxID, during what: String,
        _ work: @escaping @Sendable () async throws -> Void
    ) async throws {
        guard let key else { return try await world.boundary.during(what) { try await work() } }
        try await uncancelled(what) { [world, gate] in
            try await gate.pass(KeyGate.Scope(key, caller)) {
                switch try await world.records.use(key, by: caller, on: exec, of: id, result: "", at: world.clock.now())
                {
                case .existing: return
                case .conflict: throw CordonError.keyConflict(key)
                case .new: break
                }
                do {
                    try await work()
                } catch {
                    try await world.records.free(key, by: caller)
                    throw error
                }
            }
        }
    }

    public func writeStdin(
        of exec: ExecID, in id: SandboxID, offset: UInt64, bytes: [UInt8], end: Bool, upTo limit: Duration
    ) async throws -> StdinState {
        let sandbox = try find(id)
        return try await world.boundary.during("writing to stdin") {
            _ = try await sandbox.exec(exec)
            let state = try await world.host.writeStdin(
                of: exec, in: id, offset: offset, bytes: bytes, end: end,
                upTo: min(max(limit, .zero), world.limits.maxWait))
            // What others wrote beyond is theirs.
            let (end, overflows) = offset.addingReportingOverflow(UInt64(bytes.count))
            let accepted = overflows ? state.accepted : min(state.accepted, end)
            world.observer.stdinAccepted(bytes: accepted > offset ? Int(accepted - offset) : 0)
            return state
        }
    }

    public func stdinState(of exec: ExecID, in id: SandboxID) async throws -> StdinState {
        let sandbox = try find(id)
        return try await world.boundary.during("reading stdin's state") {
            _ = try await sandbox.exec(exec)
            return try await world.host.stdinState(of: exec, in: id)
        }
    }

    public func output(_ stream: OutputStream, of exec: ExecID, in id: SandboxID) async throws -> any OutputReader {
        let sandbox = try find(id)
        return try await world.boundary.during("opening output") {
            _ = try await sandbox.exec(exec)
            return ObservedReader(
                reader: try await world.host.output(stream, of: exec, in: id), observer: world.observer)
        }
    }

    public func log(
        of exec: ExecID, in id: SandboxID, since: Timestamp?, until: Timestamp?, limit: Int
    ) async throws -> [LogEntry] {
        let sandbox = try find(id)
        return try await world.boundary.during("reading a log") {
            _ = try await sandbox.exec(exec)
            return try await world.host.log(of: exec, in: id, since: since, until: until, limit: limit)
        }
    }
}
