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
    let sockets: SocketBroker
    /// What layers have touched is read here, one after the other: it blocks.
    let listings: LoopThread<LauncherDescriptors>
    let routerSocketSource: RouterSocketSource
    let denials: DenialBook
    private let denialReader: LoopThread<DenialReader>
    let group: any EventLoopGroup
    let logger: Logger
    /// What this process knows of the living: one lock, so that no ending falls between the two.
    struct Known {
        var links: [SandboxID: ShimLink] = [:]
        /// Sandboxes that are being launched, and how they ended where they did so meanwhile.
        var launching: [SandboxID: Ending?] = [:]
        /// Whether `inventory` has been taken: from then on, what isn't known here is nobody's.
        var isComplete = false
        var network = NetworkPlaces()
    }

    let known = Mutex(Known())
    /// An element whenever a launcher has been connected to: sockets of the router's may be those of one that
    /// is gone. One consumer.
    public let launcherArrivals: AsyncStream<Void>
    private let launcherArrival: AsyncStream<Void>.Continuation
    let report: AsyncStream<HostReport>.Continuation
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
        let socket = "\(runDirectory.procPath)/launcher.sock"
        launcher = LauncherLink(path: socket, group: group, logger: logger)
        sockets = try SocketBroker(path: socket)
        listings = try LoopThread(name: "cordon-listings") { _ in LauncherDescriptors(path: socket) }
        let (reports, report) = AsyncStream<HostReport>.makeStream()
        (self.reports, self.report) = (reports, report)
        (launcherArrivals, launcherArrival) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        let source = RouterSocketSource(path: socket)
        let denials = DenialBook { report.yield(.networkDenied($0, $1, times: $2)) }
        (routerSocketSource, self.denials) = (source, denials)
        let owner = OwnerLookup()
        denialReader = try LoopThread(name: "cordon-denials") { loop in
            DenialReader(loop: loop, source: source, book: denials) { owner.find($0) }
        }
        owner.set { [weak self] interface in self?.sandbox(behind: interface) }
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

    /// After a time without a launcher: what ended meanwhile is told now, and what was started for a
    /// request that nobody waits for any more is ended.
    private func catchUp(_ connection: FrameConnection) async throws {
        let list: InventoryList = try await connection.call(Inventory())
        learnPlaces(list)
        // A launcher without a sandbox to take over has made a new router.
        denialReader.perform { $0.renew() }
        launcherArrival.yield()
        let living = Set(list.items.map(\.id))
        let (linked, strays) = known.withLock { known in
            (
                Array(known.links.keys),
                known.isComplete
                    ? living.filter { known.links[$0] == nil && known.launching[$0] == nil } : []
            )
        }
        for id in linked where !living.contains(id) {
            if let ending = records.ending(of: id) { await sandboxEnded(id, ending) }
        }
        for id in strays {
            logger.warning("sandbox \(id) belongs to no request and is ended")
            do {
                _ = try await connection.call(End(id: id, detail: "nobody waits for it"), for: Ended.self)
            } catch is Failure { continue }
        }
    }

    public func inventory() async throws -> [HostedSandbox] {
        for _ in 0..<20 {
            let connection = try await launcher.connection(within: .seconds(60))
            do {
                let result = try await takeInventory(connection)
                known.withLock { $0.isComplete = true }
                return result
            } catch is FrameConnection.Lost { continue }
        }
        throw CordonError.lost("the launcher")
    }

    private func takeInventory(_ connection: FrameConnection) async throws -> [HostedSandbox] {
        let list: InventoryList = try await connection.call(Inventory())
        learnPlaces(list)
        var result: [HostedSandbox] = []
        try await withThrowingTaskGroup(of: HostedSandbox?.self) { group in
            var items = list.items[...]
            for _ in 0..<16 {
                if let item = items.popFirst() { group.addTask { try await self.adopt(item, connection) } }
            }
            while let sandbox = try await group.next() {
                if let sandbox { result.append(sandbox) }
                if let item = items.popFirst() { group.addTask { try await self.adopt(item, connection) } }
            }
        }
        let living = Set(result.map(\.id))
        for id in try records.ids() where !living.contains(id) {
            do {
                if let sandbox = try records.sandbox(id), sandbox.ending != nil { result.append(sandbox) }
            } catch { logger.error("the record of \(id) can't be read: \(error)") }
        }
        return result
    }

    /// Connects to a living sandbox's shim; nil when it has ended meanwhile. One that doesn't answer
    /// for ten seconds is ended: nobody could do anything with it.
    private func adopt(_ item: InventoryItem, _ connection: FrameConnection) async throws -> HostedSandbox? {
        for _ in 0..<5 {
            do {
                let (link, status) = try await withTimeout(.seconds(2)) { try await self.open(item.slot) }
                known.withLock { $0.links[link.id] = link }
                // Those that ended before the link was made stand in the journal.
                let ended = try records.execs(of: link.id)
                let over = Set(ended.map(\.id))
                let execs = ended + status.execs.filter { !over.contains($0.id) }
                return HostedSandbox(
                    id: status.id, startedAt: status.startedAt, ending: nil, deadline: status.deadline,
                    execs: execs.map(\.hosted))
            } catch {
                logger.warning("the shim of \(item.id) does not answer: \(error)")
                if records.ending(of: item.id) != nil { return nil }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
        _ = try await connection.call(End(id: item.id, detail: "its shim does not answer"), for: Ended.self)
        return nil
    }

    func withTimeout<Value: Sendable>(
        _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: limit)
                throw CordonError(.deadlineExceeded, "no answer within \(limit)")
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() else { throw CancellationError() }
            return value
        }
    }

    private func open(_ slot: String) async throws -> (ShimLink, ShimStatus) {
        let path = "\(runDirectory.procPath)/slots/\(slot)/\(SlotNames.socket)"
        return try await ShimLink.open(path, on: group) { [report] in report.yield($0) }
    }

    func link(_ id: SandboxID) throws -> ShimLink {
        guard let link = known.withLock({ $0.links[id] }), link.connection.isOpen else {
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
            main: StartExec(mainOf: spec, in: order.id),
            network: spec.sidecarOf == nil ? spec.network ?? .blocked : .blocked)
        known.withLock { $0.launching[order.id] = .some(nil) }
        defer { _ = known.withLock { $0.launching.removeValue(forKey: order.id) } }
        let connection = try await launcher.connection()
        let launched: Launched
        do {
            launched = try await connection.call(
                Launch(
                    assignment, root: order.root, diskMiB: configuration.disk(of: order), mounts: order.mounts,
                    sidecarOf: spec.sidecarOf, buckets: order.buckets))
        } catch let failure as Failure {
            throw CordonError(failure)
        } catch is FrameConnection.Lost {
            return try await findLaunched(order.id)
        }
        guard launched.diskMiB == configuration.disk(of: order), launched.buckets == order.buckets.count else {
            // A launcher of before there were disks, or buckets, serves on: nobody is to believe in what isn't there.
            _ = try? await terminate(order.id, detail: "it has no disk of its own, or no bucket")
            throw CordonError(
                .failedPrecondition,
                "the launcher that serves is of an older version, without disk_mib or cloud_buckets: cordond down ends it"
            )
        }
        guard launched.isSidecar == (spec.sidecarOf != nil) else {
            _ = try? await terminate(order.id, detail: "it is no sidecar")
            throw CordonError(
                .failedPrecondition,
                "the launcher that serves is of an older version, without sidecars: cordond down ends it")
        }
        let receipt = LaunchReceipt(
            startedAt: launched.assigned.startedAt, deadline: launched.assigned.deadline,
            main: launched.assigned.main?.hosted)
        do {
            let (link, _) = try await open(launched.slot)
            let early = known.withLock { known in
                known.links[order.id] = link
                if let place = launched.place { known.network.put(order.id, at: place) }
                return known.launching[order.id] ?? nil
            }
            if let ending = early { await sandboxEnded(order.id, ending) }
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
        let list = try await launcher.ask(Inventory(), for: InventoryList.self)
        learnPlaces(list)
        if let item = list.items.first(where: { $0.id == id }), let (link, status) = try? await open(item.slot) {
            known.withLock { $0.links[id] = link }
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
        guard let sandbox = try? records.sandbox(id), sandbox.ending != nil else {
            throw CordonError.lost("the launcher")
        }
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
        try await launcher.ask(End(id: id, detail: detail), for: Ended.self).ending
    }

    /// The end of a sandbox is told after those of its execs, once.
    private func sandboxEnded(_ id: SandboxID, _ ending: Ending) async {
        let link = known.withLock { known in
            if known.links[id] == nil, known.launching[id] != nil { known.launching[id] = ending }
            return known.links[id]
        }
        guard let link else { return }
        await link.connection.closed()
        let wasKnown = known.withLock { known in
            known.network.remove(id)
            denials.forget(id)
            return known.links.removeValue(forKey: id) != nil
        }
        guard wasKnown else { return }
        for state in (try? records.execs(of: id)) ?? [] { link.tell(state) { report.yield($0) } }
        report.yield(.sandboxEnded(id, ending))
    }

    public func forget(_ id: SandboxID) async throws {
        _ = try await launcher.ask(Forget(id: id), for: Done.self)
    }

    public func setDeadlines(of id: SandboxID, deadline: Timestamp?, idleTimeout: IdleTimeoutChange) async throws {
        let link = try link(id)
        let timeout = deadline.map { Duration.microseconds(max(0, $0.microseconds - link.startedAt.microseconds)) }
        _ = try await link.call(SetDeadlines(timeout: timeout, idleTimeout: idleTimeout), for: Done.self)
    }
}
