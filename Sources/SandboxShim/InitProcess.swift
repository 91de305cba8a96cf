import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// The sandbox's PID 1 as its shim sees it. What it sends is hostile input: fixed-size messages,
/// about numbers that the shim gave out.
final class InitProcess {
    /// What init reports.
    enum Report {
        case ready
        case started(number: UInt32, pid: Int32)
        case cloneFailed(number: UInt32, errno: Int32)
        case exited(number: UInt32, waitStatus: Int32)
        case setupFailed(String)

        /// The process that it is about.
        var number: UInt32? {
            switch self {
            case .started(let number, _), .cloneFailed(let number, _), .exited(let number, _): number
            case .ready, .setupFailed: nil
            }
        }
    }

    /// What there is to hear.
    enum Word {
        case report(Report)
        case nothing
        case gone
    }

    /// A request that init's socket had no room for.
    private struct Unsent {
        let kind: UInt32
        let number: UInt32
        let descriptors: [SharedDescriptor]
    }

    private var unsent: [Unsent] = []
    /// Told when requests begin or cease to wait for the socket.
    var onBacklog: (Bool) -> Void = { _ in }
    let pid: pid_t
    let socket: Descriptor
    /// Where the sandbox's other namespaces can be entered from the host.
    let pidfd: Descriptor

    private init(pid: pid_t, socket: consuming Descriptor, pidfd: consuming Descriptor) {
        self.pid = pid
        self.socket = socket
        self.pidfd = pidfd
    }

    /// Clones PID 1 into the groups and namespaces and lets it build the sandbox; it reports
    /// `ready` or `setupFailed`. The child of this call never returns from it. `joined` is a pidfd
    /// of the process whose network is shared, if one is.
    static func start(
        _ prepare: Prepare, disk: consuming Descriptor?, joining joined: SharedDescriptor?, group: ControlGroup
    ) throws(SystemCallError) -> InitProcess {
        let disk = disk?.release() ?? -1
        defer { if disk >= 0 { close(disk) } }
        let userNamespace = Descriptor(
            owning: try check(cordon_user_namespace(prepare.idBase, 65_536), "user namespace"))
        var pair: [Int32] = [-1, -1]
        try check(cordon_socketpair(Int32(SOCK_SEQPACKET.rawValue), &pair), "socketpair")
        let ours = Descriptor(owning: pair[0])
        let theirs = Descriptor(owning: pair[1])
        let home = try Directory(path: group.unified)
        // Nothing of a key that the service's user holds may be reachable inside.
        try check(cordon_join_fresh_session_keyring(), "keyctl", "fresh session keyring")

        let entries = try group.legacyEntries()
        let shared = joined == nil ? 0 : UInt64(cordon_clone_newnet)
        let pid = try check(cordon_clone(cordon_sandbox_namespaces & ~shared, home.raw), "clone3")
        if pid == 0 { beInit(theirs, ours.raw, prepare, disk, joined?.raw ?? -1, userNamespace.raw, entries) }
        let pidfd = Descriptor(owning: try check(cordon_pidfd_open(pid), "pidfd_open"))
        return InitProcess(pid: pid, socket: ours, pidfd: pidfd)
    }

    /// PID 1: enters its groups, builds, gives up everything, serves. Never returns.
    private static func beInit(
        _ shim: borrowing Descriptor, _ other: Int32, _ prepare: Prepare, _ disk: Int32, _ joined: Int32,
        _ userNamespace: Int32, _ entries: [LegacyGroupEntry]
    ) -> Never {
        close(other)
        do throws(SystemCallError) {
            for entry in entries { try entry.enter() }
            let sysctls = try SandboxBuilder(
                prepare: prepare, disk: disk, userNamespace: userNamespace, joining: joined
            ).build()
            var step: UnsafePointer<CChar>?
            let dropped = cordon_init_drop(userNamespace, sysctls.raw, SandboxBuilder.capabilities, &step)
            let number = errno
            withExtendedLifetime(sysctls) {}
            if dropped < 0 {
                throw SystemCallError("init", step.map { String(cString: $0) } ?? "", errno: number)
            }
        } catch {
            var report = cordon_init_report()
            report.kind = UInt32(CORDON_INIT_SETUP_FAILED)
            report.value = error.errno
            let message = withUnsafeBytes(of: report) { Array($0) } + Array("\(error)".utf8.prefix(400))
            _ = cordon_send(shim.raw, message, message.count, nil, 0)
            _exit(1)
        }
        cordon_init_loop(shim.raw)
    }

    /// From here on neither asking nor hearing waits: a stalled init stalls nothing but itself.
    func stopBlocking() { _ = cordon_set_nonblocking(socket.raw) }

    private func request(_ kind: UInt32, _ number: UInt32, descriptors: [SharedDescriptor] = []) throws(SystemCallError)
    {
        let request = Unsent(kind: kind, number: number, descriptors: descriptors)
        if unsent.isEmpty, try send(request) { return }
        unsent.append(request)
        onBacklog(true)
    }

    /// False when the socket has no room.
    private func send(_ request: Unsent) throws(SystemCallError) -> Bool {
        var message = cordon_init_request()
        message.kind = request.kind
        message.number = request.number
        let raw = request.descriptors.map(\.raw)
        let sent = cordon_send(
            socket.raw, &message, MemoryLayout<cordon_init_request>.size, raw, Int32(raw.count))
        if sent < 0 && (errno == EAGAIN || errno == ETOOMANYREFS) { return false }
        try check(sent, "sendmsg", "init")
        return true
    }

    /// Sends what waits, as far as there is room now.
    func flush() {
        while let next = unsent.first {
            guard (try? send(next)) ?? true else { return }
            unsent.removeFirst()
        }
        onBacklog(false)
    }

    /// Asks for a process. `nulls` names those of stdin (1), stdout (2) and stderr (4) that are the
    /// sandbox's own `/dev/null`, and not among the descriptors. With `program` the last of them is what
    /// is run, instead of what `argv` names.
    func start(
        number: UInt32, descriptors: [SharedDescriptor], nulls: UInt32, program: Bool = false
    ) throws(SystemCallError) {
        let kind = UInt32(CORDON_INIT_START) | nulls << 8 | (program ? UInt32(CORDON_INIT_WITH_PROGRAM) : 0)
        try request(kind, number, descriptors: descriptors)
    }

    /// Sends a signal to a process that init started and has not reaped.
    func signal(number: UInt32, _ signal: Int32) throws(SystemCallError) {
        try request(UInt32(CORDON_INIT_SIGNAL), number << 8 | UInt32(signal & 0xff))
    }

    /// The next report. What is no report of ours counts as the end.
    func hear() -> Word {
        let size = MemoryLayout<cordon_init_report>.size
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = cordon_receive(socket.raw, &buffer, buffer.count, nil, nil)
        if count < 0 && errno == EAGAIN { return .nothing }
        guard count >= size, let report = Self.decode(buffer, count) else { return .gone }
        return .report(report)
    }

    private static func decode(_ buffer: [UInt8], _ count: Int) -> Report? {
        let size = MemoryLayout<cordon_init_report>.size
        let report = buffer.withUnsafeBytes { $0.loadUnaligned(as: cordon_init_report.self) }
        switch Int(report.kind) {
        case CORDON_INIT_READY: return .ready
        case CORDON_INIT_STARTED: return .started(number: report.number, pid: report.value)
        case CORDON_INIT_CLONE_FAILED: return .cloneFailed(number: report.number, errno: report.value)
        case CORDON_INIT_EXITED: return .exited(number: report.number, waitStatus: report.value)
        case CORDON_INIT_SETUP_FAILED:
            return .setupFailed(String(decoding: buffer[size..<count], as: UTF8.self))
        default: return nil
        }
    }
}
