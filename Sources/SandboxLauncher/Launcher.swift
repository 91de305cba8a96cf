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
    var slots: [String: Slot] = [:]
    var sandboxes: [SandboxID: Slot] = [:]
    let pool = SlotPool()
    var connections: [Int: FrameChannel] = [:]
    var nextConnection = 1
    /// Launches that wait for a slot to be built.
    var queue: [QueuedLaunch] = []
    /// Those who asked what lives while a sandbox was being assigned.
    var inventoryWaiters: [() -> Void] = []
    /// After a failure nothing is built before this time (CLOCK_BOOTTIME, in nanoseconds).
    var noBuildBefore: UInt64 = 0
    var removals: [pid_t: Slot] = [:]
    var waitingRemovals: [Slot] = []
    /// The process that removes what ended sandboxes wrote, and whether more has come since it started.
    var trashSweeper: pid_t?
    var sweepTimer: Int?
    var trashIsNew = false
    var buildFailures = 0
    var refillScheduled = false
    var refillTimer: Int?
    /// When a sandbox was last asked for (CLOCK_BOOTTIME).
    var lastLaunch = cordon_boottime_ns()
    var isShuttingDown = false
    private var listener: Descriptor?
    /// The program that works on files inside of sandboxes, as every shim inherits it.
    let fileAgent: Descriptor
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
        // Where sandboxes live already, they are served whatever new ones come to.
        if sandboxes.isEmpty { try proveThatSandboxesWork() }
        try listen()
        refill()
        tendPool()
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
        case .hello: channel.send(Hello(), request: request)
        case .launch:
            let launch: Launch = try frame.decode()
            self.launch(launch.assignment, for: connection) { [weak channel] result in
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
                let items = self.sandboxes.filter { !$0.value.isReclaiming }
                    .map { InventoryItem(id: $0.key, slot: $0.value.name) }
                channel?.send(InventoryList(items: items), request: request)
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
        case .poolStatus:
            channel.send(
                PoolCounts(
                    wanted: UInt64(max(0, configuration.poolSize)), prepared: UInt64(pool.prepared.count),
                    hits: pool.hits, misses: pool.misses), request: request)
        case .shutDown:
            guard isRoot else { throw Failure(.permissionDenied, "only root may shut down") }
            shutDown()
            channel.send(Done(), request: request)
        default:
            channel.send(Failure(.unimplemented, "message type \(frame.type)"), request: request)
        }
    }

    /// Tells what lives, once no sandbox is between being nobody's and being somebody's.
    func answerInventory() {
        guard !sandboxes.values.contains(where: \.isAssigning) else { return }
        let waiters = inventoryWaiters
        inventoryWaiters = []
        for waiter in waiters { waiter() }
    }

    /// Tells every connected service.
    func report(_ message: some Message) {
        for channel in connections.values { channel.send(message, request: 0) }
    }
}
