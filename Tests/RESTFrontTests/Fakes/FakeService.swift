import SandboxModel
import Synchronization

/// A sandbox service of memory alone, which notes what it was asked.
final class FakeService: SandboxService {
    struct FakeExec {
        var snapshot: ExecSnapshot
        var stdout: FakeStream
        var stderr: FakeStream
        var stdin: [UInt8] = []
        var stdinClosed = false
        var stdinLimit: Int?
        var signals: [Int32] = []
        var sizes: [TerminalSize] = []
    }

    struct State {
        var sandboxes: [SandboxID: SandboxSnapshot] = [:]
        var execs: [SandboxID: [ExecID: FakeExec]] = [:]
        var events: [SandboxID: [SandboxEvent]] = [:]
        var logs: [LogEntry] = []
        var ready = Readiness(ready: true)
        var keys: [IdempotencyKey] = []
        var clock: Int64 = 1_700_000_000_000_001
        var failure: (any Error)?
        var waits = 0
        var runs: [SandboxID: FakeRun] = [:]
        var files: [String: [UInt8]] = [:]
        var closedSessions = 0
        var secrets: [FakeSecret] = []
    }

    let state = Mutex(State())

    func update<Value>(_ change: (inout sending State) -> sending Value) -> Value { state.withLock { change(&$0) } }

    private func time() -> Timestamp {
        state.withLock {
            $0.clock += 1
            return Timestamp(microseconds: $0.clock)
        }
    }

    private func failIfTold() throws {
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    // MARK: Sandboxes

    func create(_ spec: SandboxSpec, by caller: Caller, key: IdempotencyKey?) async throws -> SandboxSnapshot {
        try failIfTold()
        let at = time()
        let id = SandboxID.mint(lead: "test")
        let snapshot = SandboxSnapshot(
            id: id, spec: spec, appID: AppID.mint(), status: .running, createdAt: at, startedAt: at, deadline: at)
        try state.withLock { state in
            if let key { state.keys.append(key) }
            if let name = spec.name,
                state.sandboxes.values.contains(where: {
                    $0.spec.name == name && $0.spec.app == spec.app && $0.status == .running
                })
            {
                throw CordonError(.alreadyExists, "the name is taken", field: "name", value: name.text)
            }
            state.sandboxes[id] = snapshot
            state.execs[id] = [:]
            state.events[id] = [
                SandboxEvent(number: 1, at: at, kind: .created), SandboxEvent(number: 2, at: at, kind: .started),
            ]
        }
        if let command = spec.command {
            add(
                ExecSpec(id: .main, command: command, terminal: spec.terminal), to: id, stdout: FakeStream(),
                stderr: FakeStream())
        }
        return snapshot
    }

    func sandbox(_ id: SandboxID) async throws -> SandboxSnapshot {
        try failIfTold()
        guard let snapshot = state.withLock({ $0.sandboxes[id] }) else {
            throw CordonError(.notFound, "there is no sandbox \(id)", field: "id", value: id.text)
        }
        return snapshot
    }

    func sandbox(named name: SandboxName, in app: AppName) async throws -> SandboxSnapshot {
        guard
            let found = state.withLock({
                $0.sandboxes.values.first { $0.spec.name == name && $0.spec.app == app && $0.status == .running }
            })
        else { throw CordonError(.notFound, "no sandbox of that name runs", field: "name", value: name.text) }
        return found
    }

    func sandboxes(matching query: SandboxQuery) async throws -> SandboxPage {
        let all = state.withLock { Array($0.sandboxes.values) }
            .filter {
                (query.app == nil || $0.spec.app == query.app) && $0.spec.tags.contains(query.tags)
                    && (query.state == nil || $0.status.name == query.state?.rawValue)
                    && $0.createdAt < (query.before ?? Timestamp(microseconds: .max))
            }
            .sorted { $0.createdAt > $1.createdAt }
        let page = Array(all.prefix(query.limit))
        return SandboxPage(sandboxes: page, next: all.count > page.count ? page.last?.createdAt : nil)
    }

    func setDeadlines(of id: SandboxID, timeout: Duration?, idleTimeout: IdleTimeoutChange) async throws
        -> SandboxSnapshot
    {
        var snapshot = try await sandbox(id)
        guard snapshot.status == .running else { throw CordonError(.failedPrecondition, "the sandbox is over") }
        if let timeout { snapshot.spec.timeout = timeout }
        switch idleTimeout {
        case .keep: break
        case .set(let limit): snapshot.spec.idleTimeout = limit
        case .remove: snapshot.spec.idleTimeout = nil
        }
        state.withLock { $0.sandboxes[id] = snapshot }
        return snapshot
    }

    func setTags(of id: SandboxID, to tags: Tags) async throws -> SandboxSnapshot {
        var snapshot = try await sandbox(id)
        snapshot.spec.tags = tags
        state.withLock { $0.sandboxes[id] = snapshot }
        return snapshot
    }

    func setName(of id: SandboxID, to name: SandboxName) async throws -> SandboxSnapshot {
        var snapshot = try await sandbox(id)
        snapshot.spec.name = name
        state.withLock { $0.sandboxes[id] = snapshot }
        return snapshot
    }

    func setNetwork(of id: SandboxID, to policy: NetworkPolicy) async throws -> SandboxSnapshot {
        var snapshot = try await sandbox(id)
        guard snapshot.status == .running else { throw CordonError(.failedPrecondition, "the sandbox is over") }
        snapshot.spec.network = policy
        state.withLock { $0.sandboxes[id] = snapshot }
        return snapshot
    }

    func terminate(_ id: SandboxID) async throws -> SandboxSnapshot {
        var snapshot = try await sandbox(id)
        guard snapshot.status == .running else { return snapshot }
        let ending = Ending(.terminated, signal: 9, waitStatus: 9, detail: "asked to", at: time())
        snapshot.status = .ended(ending)
        state.withLock {
            $0.sandboxes[id] = snapshot
            $0.events[id, default: []].append(
                SandboxEvent(number: ($0.events[id]?.count ?? 0) + 1, at: ending.at, kind: .ended, ending: ending))
        }
        return snapshot
    }

    private func poll<Value: Sendable>(_ limit: Duration, _ look: () async throws -> Value?) async throws -> Value? {
        state.withLock { $0.waits += 1 }
        defer { state.withLock { $0.waits -= 1 } }
        let deadline = ContinuousClock.now + limit
        while true {
            if let value = try await look() { return value }
            if ContinuousClock.now >= deadline { return nil }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    func wait(for id: SandboxID, upTo limit: Duration) async throws -> SandboxSnapshot {
        _ = try await poll(limit) { try await self.sandbox(id).status == .running ? nil : true }
        return try await sandbox(id)
    }

    func events(of id: SandboxID, after number: Int, waitingUpTo limit: Duration) async throws -> [SandboxEvent] {
        _ = try await sandbox(id)
        return try await poll(limit) {
            let found = self.state.withLock { $0.events[id, default: []].filter { $0.number > number } }
            return found.isEmpty ? nil : found
        } ?? []
    }

    // MARK: Execs

    @discardableResult
    func add(
        _ spec: ExecSpec, to id: SandboxID, stdout: FakeStream, stderr: FakeStream, status: ExecStatus = .running
    ) -> ExecSnapshot {
        let at = time()
        let snapshot = ExecSnapshot(id: spec.id, sandbox: id, spec: spec, status: status, createdAt: at, startedAt: at)
        state.withLock {
            $0.execs[id, default: [:]][spec.id] = FakeExec(snapshot: snapshot, stdout: stdout, stderr: stderr)
        }
        return snapshot
    }

    /// `cat` runs and copies stdin to stdout when that is closed; everything else is over at once,
    /// having written its arguments.
    func startExec(_ spec: ExecSpec, in id: SandboxID, by caller: Caller, key: IdempotencyKey?) async throws
        -> ExecSnapshot
    {
        guard try await sandbox(id).status == .running else {
            throw CordonError(.failedPrecondition, "the sandbox is over")
        }
        if let key { state.withLock { $0.keys.append(key) } }
        if let there = state.withLock({ $0.execs[id]?[spec.id]?.snapshot }) { return there }
        if spec.command.argv[0] == "cat" || spec.command.argv[0] == "sleep" {
            return add(spec, to: id, stdout: FakeStream(), stderr: FakeStream())
        }
        let output = Array(spec.command.argv.dropFirst().joined(separator: " ").utf8)
        let ending = Ending(.exited, exitCode: 3, waitStatus: 768, at: time())
        return add(
            spec, to: id, stdout: FakeStream(bytes: output), stderr: FakeStream(bytes: [0xff, 0, 1]),
            status: .ended(ending))
    }

    func execs(in id: SandboxID) async throws -> [ExecSnapshot] {
        _ = try await sandbox(id)
        return state.withLock { $0.execs[id, default: [:]].values.map(\.snapshot) }.sorted {
            $0.createdAt < $1.createdAt
        }
    }

    func fake(_ exec: ExecID, in id: SandboxID) throws -> FakeExec {
        guard let found = state.withLock({ $0.execs[id]?[exec] }) else {
            throw CordonError(.notFound, "there is no exec \(exec)", field: "exec", value: exec.text)
        }
        return found
    }

    func exec(_ exec: ExecID, in id: SandboxID) async throws -> ExecSnapshot {
        _ = try await sandbox(id)
        return try fake(exec, in: id).snapshot
    }

    /// The exec ends; its leftover children may hold its streams.
    func finish(_ exec: ExecID, in id: SandboxID, exitCode: Int = 0, closingStreams: Bool = true) {
        let ending = Ending(.exited, exitCode: exitCode, waitStatus: Int32(exitCode << 8), at: time())
        state.withLock { state in
            state.execs[id]?[exec]?.snapshot.status = .ended(ending)
            guard closingStreams else { return }
            state.execs[id]?[exec]?.stdout.update { $0.closed = true }
            state.execs[id]?[exec]?.stderr.update { $0.closed = true }
        }
    }

    func wait(for exec: ExecID, in id: SandboxID, upTo limit: Duration) async throws -> ExecSnapshot {
        _ = try await self.exec(exec, in: id)
        _ = try await poll(limit) {
            if case .ended = try self.fake(exec, in: id).snapshot.status { return true }
            return nil
        }
        return try fake(exec, in: id).snapshot
    }

    func signal(
        _ exec: ExecID, in id: SandboxID, number: Int32, by caller: Caller, key: IdempotencyKey?
    ) async throws {
        _ = try await self.exec(exec, in: id)
        state.withLock { $0.execs[id]?[exec]?.signals.append(number) }
    }

    func resize(_ exec: ExecID, in id: SandboxID, to size: TerminalSize) async throws {
        guard try await self.exec(exec, in: id).spec.terminal != nil else {
            throw CordonError(.failedPrecondition, "no terminal", field: "exec_id")
        }
        state.withLock { $0.execs[id]?[exec]?.sizes.append(size) }
    }

    func stdinStart(
        of exec: ExecID, in id: SandboxID, at offset: UInt64?, by caller: Caller, key: IdempotencyKey?
    ) async throws -> UInt64 {
        let accepted = try await stdinState(of: exec, in: id).accepted
        return offset ?? accepted
    }

    func writeStdin(
        of exec: ExecID, in id: SandboxID, offset: UInt64, bytes: [UInt8], end: Bool, upTo limit: Duration
    ) async throws -> StdinState {
        let before = try await stdinState(of: exec, in: id)
        guard offset <= before.accepted else {
            throw CordonError(.outOfRange, "too far", detail: ["accepted": String(before.accepted)])
        }
        let (result, copied): (StdinState, [UInt8]?) = state.withLock { state in
            guard var fake = state.execs[id]?[exec], !fake.stdinClosed else { return (before, nil) }
            let fresh = bytes.dropFirst(Int(min(before.accepted - offset, UInt64(bytes.count))))
            let space = fake.stdinLimit.map { max(0, $0 - fake.stdin.count) } ?? Int.max
            fake.stdin += fresh.prefix(space)
            if end || fresh.count > space { fake.stdinClosed = true }
            state.execs[id]?[exec] = fake
            let cats = fake.stdinClosed && fake.snapshot.spec.command.argv[0] == "cat"
            return (StdinState(accepted: UInt64(fake.stdin.count), closed: fake.stdinClosed), cats ? fake.stdin : nil)
        }
        if let copied {
            try fake(exec, in: id).stdout.append(copied)
            finish(exec, in: id)
        }
        return result
    }

    func stdinState(of exec: ExecID, in id: SandboxID) async throws -> StdinState {
        _ = try await sandbox(id)
        let fake = try fake(exec, in: id)
        return StdinState(accepted: UInt64(fake.stdin.count), closed: fake.stdinClosed)
    }

    func output(_ stream: OutputStream, of exec: ExecID, in id: SandboxID) async throws -> any OutputReader {
        _ = try await sandbox(id)
        let fake = try fake(exec, in: id)
        return (stream == .stdout ? fake.stdout : fake.stderr).openReader()
    }

    func log(of exec: ExecID, in id: SandboxID, since: Timestamp?, until: Timestamp?, limit: Int) async throws
        -> [LogEntry]
    {
        _ = try await self.exec(exec, in: id)
        return state.withLock { $0.logs }
            .filter { $0.at >= (since ?? $0.at) && $0.at <= (until ?? $0.at) }
            .prefix(limit).map { $0 }
    }

    func snapshot(_ id: SandboxID, _ order: SnapshotOrder) async throws -> ImageRecord {
        ImageRecord(id: .mint(), kind: .snapshot, root: .host, sandbox: id, createdAt: .now())
    }

    /// The first succeeds, and is over already; the others don't.
    func branch(
        _ id: SandboxID, _ order: BranchOrder, by caller: Caller, key: IdempotencyKey?, report: @escaping BranchReporter
    ) async throws -> BranchOutcome {
        let image = ImageID.mint()
        await report(.snapshot(image))
        let file = FileAttributes(kind: .file, size: 1, mode: 0o644, user: 0, group: 0, modifiedAt: .now())
        var results: [BranchResult] = []
        for number in 1...order.count {
            await report(.started(number: number, id))
            let program = try await startExec(try order.program(of: number), in: id, by: caller, key: nil)
            let result = BranchResult(
                number: number, sandbox: id, program: program,
                ending: Ending(.exited, exitCode: number == 1 ? 0 : 1, at: .now()),
                changes: TreeDiff(changes: [TreeChange(path: [0x61], kind: .added, after: file)]), isKept: number == 1,
                image: image)
            await report(.ended(result))
            results.append(result)
        }
        return BranchOutcome(image: image, winner: 1, branches: results)
    }

    func mount(_ order: MountOrder, in id: SandboxID) async throws {}
    func unmount(_ path: FilePath, in id: SandboxID) async throws {}

    func issueConnectToken(_ request: ConnectTokenRequest, for id: SandboxID) async throws -> ConnectToken {
        _ = try await sandbox(id)
        return ConnectToken(
            id: .mint(), url: "http://127.0.0.1:1/", text: "ct-\(request.port)",
            expiresAt: Timestamp(microseconds: 1_700_000_000_000_000))
    }

    func revokeConnectToken(_ token: ConnectTokenID, of id: SandboxID) async throws { _ = try await sandbox(id) }

    func tunnels(of id: SandboxID) async throws -> [TunnelEndpoint] {
        try await sandbox(id).spec.tunnels.ports.map {
            TunnelEndpoint(port: $0.port, kind: $0.kind, host: "tunnels.example", hostPort: 20_000 + $0.port % 1000)
        }
    }

    func waitReady(_ id: SandboxID, upTo limit: Duration) async throws -> SandboxSnapshot { try await sandbox(id) }

    func connect(to port: UInt16, of id: SandboxID) async throws -> SandboxConnection {
        _ = try await sandbox(id)
        throw CordonError.nobodyListens(on: port, of: id)
    }

    func lease(on id: SandboxID) async throws -> any SandboxLease {
        _ = try await sandbox(id)
        return NoLease()
    }

    func readiness() async -> Readiness { state.withLock { $0.ready } }
}

extension FakeService {
    /// How many readers of a path's exec are open.
    func streamReaders(of path: String) -> Int {
        let parts = path.split(separator: "/")
        guard let id = SandboxID(String(parts[2])), let exec = ExecID(String(parts[4])),
            let fake = try? fake(exec, in: id)
        else { return -1 }
        return [fake.stdout, fake.stderr].map { $0.state.withLock { $0.openReaders } }.reduce(0, +)
    }
}
