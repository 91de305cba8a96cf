import LinuxSystem
import Logging
import NIOCore
import NIOPosix
import SandboxModel
import ShimProtocol
import Synchronization

/// This machine's sandboxes, through its launcher and its shims: the engine's `SandboxHost`.
public final class LocalHost: SandboxHost {
    public let reports: AsyncStream<HostReport>

    let configuration: RuntimeConfiguration
    let records: SandboxRecordReader
    let launcher: LauncherLink
    let group: any EventLoopGroup
    let logger: Logger
    let links = Mutex<[SandboxID: ShimLink]>([:])
    /// Sandboxes that are being launched, and how they ended where they did so meanwhile.
    private let launching = Mutex<[SandboxID: Ending?]>([:])
    private let report: AsyncStream<HostReport>.Continuation
    private let runDirectory: Directory

    /// Opens the directories that the launcher has made; it must have been started before.
    public init(
        _ configuration: RuntimeConfiguration, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger
    ) throws {
        self.configuration = configuration
        self.group = group
        self.logger = logger
        records = try SandboxRecordReader(dataDirectory: configuration.dataDirectory)
        runDirectory = try Directory(path: configuration.runDirectory)
        launcher = LauncherLink(path: "\(runDirectory.procPath)/launcher.sock", group: group, logger: logger)
        (reports, report) = AsyncStream.makeStream()
    }

    /// Keeps the launcher's connection until cancelled.
    public func run() async {
        await launcher.run(
            onConnect: { connection in try await self.catchUp(connection) },
            onReport: { frame in
                guard let ended = try? frame.decode(Ended.self) else { return }
                // Waits for the shim's own last words; who waits for it is the stream's consumer.
                Task { await self.sandboxEnded(ended.id, ended.ending) }
            })
        report.finish()
    }

    public func readiness() async -> Readiness {
        launcher.isConnected
            ? Readiness(ready: true) : Readiness(ready: false, reason: "the launcher does not answer")
    }

    // MARK: Knowing what is there

    /// After a time without a launcher: what ended meanwhile is told now.
    private func catchUp(_ connection: FrameConnection) async throws {
        let list: InventoryList = try await connection.call(Inventory())
        let living = Set(list.items.map(\.id))
        for id in links.withLock({ Array($0.keys) }) where !living.contains(id) {
            if let ending = records.ending(of: id) { await sandboxEnded(id, ending) }
        }
    }

    public func inventory() async throws -> [HostedSandbox] {
        let connection = try await launcher.connection(within: .seconds(60))
        let list: InventoryList = try await connection.call(Inventory())
        var result: [HostedSandbox] = []
        for item in list.items {
            // One that ends right now is found among the ended below.
            guard let (link, status) = try? await open(item.slot) else { continue }
            links.withLock { $0[link.id] = link }
            result.append(
                HostedSandbox(
                    id: status.id, startedAt: status.startedAt, ending: nil, deadline: status.deadline,
                    execs: status.execs.map(\.hosted)))
        }
        let living = Set(result.map(\.id))
        for id in try records.ids() where !living.contains(id) {
            do {
                if let sandbox = try records.sandbox(id), sandbox.ending != nil { result.append(sandbox) }
            } catch { logger.error("the record of \(id) can't be read: \(error)") }
        }
        return result
    }

    private func open(_ slot: String) async throws -> (ShimLink, ShimStatus) {
        let path = "\(runDirectory.procPath)/slots/\(slot)/\(SlotNames.socket)"
        return try await ShimLink.open(path, on: group) { [report] in report.yield($0) }
    }

    func link(_ id: SandboxID) throws -> ShimLink {
        guard let link = links.withLock({ $0[id] }), link.connection.isOpen else {
            throw CordonError(.failedPrecondition, "sandbox \(id) has ended")
        }
        return link
    }

    // MARK: Starting and ending

    public func launch(_ order: LaunchOrder) async throws -> LaunchReceipt {
        let spec = order.spec
        guard let seccomp = configuration.seccompPrograms[spec.policy] else {
            let names = configuration.seccompPrograms.keys.sorted().joined(separator: ", ")
            throw CordonError.invalid(field: "policy", value: spec.policy, rule: "one of \(names)")
        }
        let assignment = Assignment(
            id: order.id, limits: configuration.limits(of: spec.resources), hostname: order.hostname,
            timeout: spec.timeout, idleTimeout: spec.idleTimeout, seccomp: seccomp,
            main: StartExec(mainOf: spec, in: order.id))
        launching.withLock { $0[order.id] = .some(nil) }
        defer { _ = launching.withLock { $0.removeValue(forKey: order.id) } }
        let connection = try await launcher.connection()
        let launched: Launched
        do {
            launched = try await connection.call(Launch(assignment))
        } catch let failure as Failure {
            throw CordonError(failure)
        } catch is FrameConnection.Lost {
            return try await findLaunched(order.id)
        }
        let receipt = LaunchReceipt(
            startedAt: launched.assigned.startedAt, deadline: launched.assigned.deadline,
            main: launched.assigned.main?.hosted)
        do {
            let (link, _) = try await open(launched.slot)
            links.withLock { $0[order.id] = link }
            if let ending = launching.withLock({ $0[order.id] ?? nil }) { await sandboxEnded(order.id, ending) }
        } catch {
            // Over before we could connect: a main command may take no time at all.
            try await tellEnded(order.id)
        }
        return receipt
    }

    /// Reports a sandbox that ended before its shim was connected.
    private func tellEnded(_ id: SandboxID) async throws {
        let ending = try await end(id, "its shim could not be reached")
        for state in (try? records.execs(of: id)) ?? [] {
            if let ending = state.ending { report.yield(.execEnded(id, state.id, ending)) }
        }
        report.yield(.sandboxEnded(id, ending))
    }

    /// The launcher died with our request: its successor knows whether the sandbox runs. One that
    /// can't be reached is ended, and one that ran is told of, over or not: nothing of it may be
    /// left that nobody knows of.
    private func findLaunched(_ id: SandboxID) async throws -> LaunchReceipt {
        let connection = try await launcher.connection()
        let list: InventoryList = try await connection.call(Inventory())
        if let item = list.items.first(where: { $0.id == id }), let (link, status) = try? await open(item.slot) {
            links.withLock { $0[id] = link }
            return LaunchReceipt(
                startedAt: status.startedAt, deadline: status.deadline,
                main: status.execs.first { $0.id == .main }?.hosted)
        }
        do {
            _ = try await end(id, "the launcher died as it started")
        } catch {
            // It never got there.
            throw CordonError.lost("the launcher")
        }
        guard let sandbox = try? records.sandbox(id), sandbox.ending != nil else { throw CordonError.lost("the launcher") }
        try await tellEnded(id)
        return LaunchReceipt(
            startedAt: sandbox.startedAt, deadline: sandbox.deadline, main: sandbox.execs.first { $0.id == .main })
    }

    public func terminate(_ id: SandboxID, detail: String) async throws -> Ending {
        let ending = try await end(id, detail)
        await sandboxEnded(id, ending)
        return ending
    }

    /// Asks the launcher, or its successor, to end a sandbox; returns once nothing of it is left.
    private func end(_ id: SandboxID, _ detail: String) async throws -> Ending {
        for _ in 0..<10 {
            let connection = try await launcher.connection()
            do {
                return try await connection.call(End(id: id, detail: detail), for: Ended.self).ending
            } catch let failure as Failure {
                throw CordonError(failure)
            } catch is FrameConnection.Lost { continue }
        }
        throw CordonError.lost("the launcher")
    }

    /// The end of a sandbox is told after those of its execs, once.
    private func sandboxEnded(_ id: SandboxID, _ ending: Ending) async {
        guard let link = links.withLock({ $0[id] }) else {
            launching.withLock { if $0[id] != nil { $0[id] = ending } }
            return
        }
        await link.connection.closed()
        guard links.withLock({ $0.removeValue(forKey: id) }) != nil else { return }
        for state in (try? records.execs(of: id)) ?? [] { link.tell(state) { report.yield($0) } }
        report.yield(.sandboxEnded(id, ending))
    }

    public func forget(_ id: SandboxID) async throws {
        let connection = try await launcher.connection()
        do {
            _ = try await connection.call(Forget(id: id), for: Done.self)
        } catch let failure as Failure { throw CordonError(failure) }
    }

    public func setDeadlines(of id: SandboxID, deadline: Timestamp?, idleTimeout: IdleTimeoutChange) async throws {
        let link = try link(id)
        let timeout = deadline.map { Duration.microseconds(max(0, $0.microseconds - link.startedAt.microseconds)) }
        _ = try await link.call(SetDeadlines(timeout: timeout, idleTimeout: idleTimeout), for: Done.self)
    }
}
