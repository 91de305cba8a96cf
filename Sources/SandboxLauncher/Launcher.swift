import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The privileged part: makes, adopts and removes sandboxes, and does nothing else.
///
/// One thread, one loop. Requests come from the service alone and are a closed set; each value is
/// checked before it is used. Files by phase: the pool, launching, ending and adoption.
public final class Launcher {
    let configuration: LauncherConfiguration
    let loop: EventLoop
    let files: LauncherFiles
    let ranges: IDRanges
    let layout: ControlGroupLayout
    /// The group of all sandboxes of this instance.
    let parent: ControlGroup
    let supervisors: SupervisorGroup
    let bootID: String
    var overlayMethod: OverlayMethod
    /// The directory of the host image below `images`.
    var imageName: String
    var fingerprint: String
    /// The directory below the layers of an image that isn't the host's.
    let bareName: String
    var slots: [String: Slot] = [:]
    var sandboxes: [SandboxID: Slot] = [:]
    let pool = SlotPool()
    var connections: [Int: FrameChannel] = [:]
    /// Those that have said `Hello`, and so hear reports: others are there for one thing.
    var greeted: Set<Int> = []
    var nextConnection = 1
    /// Launches that wait for a slot to be built.
    var queue: [QueuedLaunch] = []
    /// Those who asked what lives while a sandbox was being assigned.
    var inventoryWaiters: [() -> Void] = []
    /// After a failure nothing is built before this time (CLOCK_BOOTTIME, in nanoseconds).
    var noBuildBefore: UInt64 = 0
    var removals: [pid_t: Slot] = [:]
    /// Processes that make layers.
    var layerWorks: [pid_t: LayerWork] = [:]
    /// Layers that are there and may not be on disk yet, and the process that waits for some of them.
    var freshLayers: Set<LayerName> = []
    var layerSync: LayerSync?
    var syncTimer: Int?
    /// Processes that tell what layers and sandboxes have touched.
    var listings: Set<pid_t> = []
    /// Processes that mount and unmount in sandboxes, and who waits for them.
    var mountWorks: [pid_t: MountWork] = [:]
    /// What ended sandboxes wrote to volumes, until the service has taken it.
    var left: [LeftWrites: Left] = [:]
    /// Those of which a layer is being made.
    var leftInWork: Set<LeftWrites> = []
    /// Programs that make disks of slots.
    var diskWorks: [pid_t: Slot] = [:]
    var waitingRemovals: [Slot] = []
    /// The process that removes what ended sandboxes wrote, and whether more has come since it started.
    var trashSweeper: pid_t?
    var sweepTimer: Int?
    /// Those of which nothing is left but empty groups, since when the first of them waits (CLOCK_BOOTTIME), what
    /// they wait for, and whether they are going.
    var emptied: [Slot] = []
    var emptiedSince: UInt64 = 0
    var emptiedTimer: Int?
    var removesGroups = false
    var trashIsNew = false
    var buildFailures = 0
    var refillScheduled = false
    var refillTimer: Int?
    /// When a sandbox was last asked for (CLOCK_BOOTTIME).
    var lastLaunch = cordon_boottime_ns()
    var isShuttingDown = false
    /// Whether less of the disk is free than is kept free.
    var isAtReserve = false
    /// nil where sandboxes have none, for this reason.
    var network: LauncherNetwork?
    var networkFault: String?
    private var listener: Descriptor?
    /// The program that works on files inside of sandboxes, as every shim inherits it.
    private let fileAgent: Descriptor
    let spawner: ShimSpawner
    /// The launcher's own network namespace, to return to.
    let homeNetwork: Descriptor
    private let runLock: Descriptor

    /// Takes over a run directory, adopting what lives in it. Throws when another launcher has it.
    public init(_ configuration: LauncherConfiguration) throws {
        self.configuration = configuration
        mkdir(configuration.runDirectory, 0o750)
        let run = try Directory(path: configuration.runDirectory)
        runLock = try run.open("lock", O_RDWR | O_CREAT, mode: 0o600)
        try Self.wait(for: runLock, of: configuration.runDirectory)
        files = try LauncherFiles(configuration)
        fileAgent = Descriptor(
            owning: try check(cordon_sealed_program(configuration.shim, "cordon-files"), "memfd_create", "cordon-files")
        )
        spawner = ShimSpawner(program: configuration.shim, records: files.sandboxes.raw, fileAgent: fileAgent.raw)
        homeNetwork = Descriptor(
            owning: try check(cordon_open(AT_FDCWD, "/proc/self/ns/net", O_RDONLY, 0), "open", "/proc/self/ns/net"))
        loop = try EventLoop()
        bootID = try ProcessIdentity.bootID()
        layout = try ControlGroupLayout.detect()
        ranges = try IDRanges(owner: configuration.runDirectory)
        parent = ControlGroup(layout: layout, path: "cordon-\(try files.instance())")
        supervisors = try SupervisorGroup(layout: layout, name: "\(parent.path)-shims")
        try parent.create()
        try parent.delegateControllers()
        try parent.setPids(configuration.totalPids)
        try supervisors.join()
        overlayMethod = OverlayMethod(rawValue: configuration.overlayMethod) ?? .descriptors
        fingerprint = HostImage.fingerprint(hideUsrLocal: configuration.hideUsrLocal)
        bareName = try BareRoot.prepare(in: files.images)
        imageName = try HostImage.prepare(in: files.images, hideUsrLocal: configuration.hideUsrLocal)
        _ = cordon_set_child_subreaper()
        let signals = try check(cordon_signal_descriptor(), "signalfd")
        try loop.watch(signals, for: .readable) { [unowned self] _ in self.reapChildren(signals) }
    }

    /// A predecessor that was killed may have left a removal running, which holds the lock until it is done.
    private static func wait(for lock: borrowing Descriptor, of directory: String) throws {
        for _ in 0..<300 {
            if cordon_lock_exclusive(lock.raw, false) == 0 { return }
            usleep(100_000)
        }
        throw Failure(.failedPrecondition, "another launcher serves \(directory)")
    }

    /// Serves until it is shut down.
    public func run() throws {
        warnOfPipedCores()
        try adoptSlots()
        startNetwork()
        // Where sandboxes live already, they are served whatever new ones come to.
        if sandboxes.isEmpty { try proveThatSandboxesWork() }
        try listen()
        refill()
        tendPool()
        watchReserve()
        try loop.run()
    }

    /// No resource limit keeps the kernel from feeding a crashed process's memory to a program that
    /// core_pattern pipes to, which runs as host root (core(5)).
    private func warnOfPipedCores() {
        guard let pattern = try? KernelFile.read("/proc/sys/kernel/core_pattern"), pattern.hasPrefix("|") else {
            return
        }
        log("warning: kernel.core_pattern pipes what crashes in a sandbox to a program of the host's: \(pattern)")
    }

    func log(_ text: String) {
        var time = Timestamp.now().microseconds
        time /= 1000
        var line = "launcher \(time / 1000).\(time % 1000) \(text)\n"
        line.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    }

    // MARK: Requests

    private func listen() throws {
        let path = "\(files.run.procPath)/launcher.sock"
        unlink(path)
        let descriptor = Descriptor(owning: try check(cordon_listen_unix(path), "bind", "launcher.sock"))
        try check(chown(path, 0, configuration.serviceGroup), "chown", "launcher.sock")
        try check(chmod(path, 0o660), "chmod", "launcher.sock")
        let raw = descriptor.raw
        listener = consume descriptor
        try loop.watch(raw, for: .readable) { [unowned self] _ in self.accept(raw) }
    }

    private func accept(_ listener: Int32) {
        let raw = cordon_accept(listener)
        guard raw >= 0 else { return }
        let socket = Descriptor(owning: raw)
        var pid: pid_t = 0
        var user: uid_t = 0
        guard cordon_peer(raw, &pid, &user) == 0, user == 0 || user == configuration.serviceUser,
            connections.count < 16
        else { return }
        let channel = FrameChannel(socket: socket, loop: loop)
        let number = nextConnection
        nextConnection += 1
        connections[number] = channel
        channel.onClose = { [unowned self] in
            self.connections[number] = nil
            self.greeted.remove(number)
            // Nobody would learn of what was started for it.
            self.queue.removeAll { $0.connection == number }
        }
        channel.onFrame = { [unowned self, unowned channel] frame in
            try self.serve(frame, channel, number, isRoot: user == 0)
        }
        channel.open()
    }

    private func serve(_ frame: Frame, _ channel: FrameChannel, _ connection: Int, isRoot: Bool) throws {
        let request = frame.request
        switch MessageType(rawValue: frame.type) {
        case .hello:
            greeted.insert(connection)
            channel.send(Hello(), request: request)
        case .launch:
            let launch: Launch = try frame.decode()
            self.launch(
                launch.assignment,
                as: SlotKind(root: launch.root, diskMiB: launch.diskMiB, sidecarOf: launch.sidecarOf), launch.mounts,
                launch.buckets, for: connection
            ) { [weak channel] result in
                switch result {
                case .success(let launched): channel?.send(launched, request: request)
                case .failure(let failure): channel?.send(failure, request: request)
                }
            }
        case .end:
            let end: End = try frame.decode()
            self.end(end.id, end.detail) { [weak channel] result in
                switch result {
                case .success(let ending): channel?.send(Ended(id: end.id, ending: ending), request: request)
                case .failure(let failure): channel?.send(failure, request: request)
                }
            }
        case .inventory:
            inventoryWaiters.append { [weak self, weak channel] in
                guard let self else { return }
                let living = self.sandboxes.filter { !$0.value.isReclaiming }
                let items = living.map { InventoryItem(id: $0.key, slot: $0.value.name) }
                let places = living.compactMap { item in
                    self.place(of: item.value).map { PlacedSandbox(id: item.key, place: $0) }
                }
                channel?.send(InventoryList(items: items, places: places), request: request)
            }
            answerInventory()
        case .forget:
            let id = (try frame.decode(Forget.self)).id
            do {
                try forget(id)
                channel.send(Done(), request: request)
            } catch let failure as Failure {
                channel.send(failure, request: request)
            }
        case .setNetwork:
            try answer(request, on: channel) { try self.setNetwork(try frame.decode()) }
        case .openAddresses:
            try answer(request, on: channel) {
                try self.openAddresses(try frame.decode())
                return Done()
            }
        case .openRouterSocket:
            let open: OpenRouterSocket = try frame.decode()
            do {
                channel.send(SocketOpened(), request: request, descriptor: try openRouterSocket(open.socket))
            } catch let failure as Failure {
                channel.send(failure, request: request)
            }
        case .openSocket:
            let open: OpenSocket = try frame.decode()
            do {
                channel.send(SocketOpened(), request: request, descriptor: try openSocket(open))
            } catch let failure as Failure {
                channel.send(failure, request: request)
            }
        case .keepLayer:
            let keep: KeepLayer = try frame.decode()
            self.keep(keep.id, as: keep.layer) { [weak channel] in
                Self.send($0.map { LayerMade($0) }, to: channel, request)
            }
        case .copyLayer:
            let copy: CopyLayer = try frame.decode()
            self.copy(copy) { [weak channel] in Self.send($0.map { LayerMade($0) }, to: channel, request) }
        case .mountLayers:
            let mount: MountLayers = try frame.decode()
            self.mount(mount) { [weak channel] in Self.send($0, to: channel, request) }
        case .unmountLayers:
            let unmount: UnmountLayers = try frame.decode()
            self.unmount(unmount) { [weak channel] in Self.send($0, to: channel, request) }
        case .listTouched:
            let list: ListTouched = try frame.decode()
            do {
                channel.send(SocketOpened(), request: request, descriptor: try listTouched(in: list.tree))
            } catch let failure as Failure {
                channel.send(failure, request: request)
            }
        case .describeHost:
            channel.send(
                HostDescribed(print: HostImage.fingerprint(hideUsrLocal: configuration.hideUsrLocal)), request: request)
        case .commitVolume:
            let commit: CommitVolume = try frame.decode()
            self.commit(commit.order) { [weak channel] in
                Self.send($0.map { VolumeCommitted($0) }, to: channel, request)
            }
        case .reloadVolume:
            let reload: ReloadVolume = try frame.decode()
            self.reload(reload) { [weak channel] in Self.send($0, to: channel, request) }
        case .listLeftWrites: try answer(request, on: channel) { LeftWritesList(Array(self.left.keys)) }
        case .releaseWrites:
            try answer(request, on: channel) {
                try self.release(try frame.decode(ReleaseWrites.self).left)
                return Done()
            }
        case .mergeLayers:
            let merge: MergeLayers = try frame.decode()
            self.merge(merge) { [weak channel] in Self.send($0.map { LayerMade($0) }, to: channel, request) }
        case .listLayers:
            try answer(request, on: channel) { LayerList(try self.layerNames(), lost: try self.lostLayers()) }
        case .removeLayers:
            try answer(request, on: channel) {
                LayerList(try self.removeLayers(try frame.decode(RemoveLayers.self).layers))
            }
        case .poolStatus:
            channel.send(
                PoolCounts(
                    wanted: UInt64(max(0, configuration.poolSize)), prepared: UInt64(pool.prepared(usual).count),
                    hits: pool.hits, misses: pool.misses, held: UInt64(slots.values.count(where: \.isHeld))),
                request: request)
        case .shutDown:
            guard isRoot else { throw Failure(.permissionDenied, "only root may shut down") }
            shutDown()
            channel.send(Done(), request: request)
        default:
            channel.send(Failure(.unimplemented, "message type \(frame.type)"), request: request)
        }
    }
}
