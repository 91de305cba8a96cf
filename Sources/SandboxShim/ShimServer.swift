import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// The shim's socket: the service connects here, and again after it was restarted.
final class ShimServer {
    private let loop: EventLoop
    private let supervisor: SandboxSupervisor
    private let listener: Descriptor
    private var connections: [Int: ShimConnection] = [:]
    private var nextConnection = 1
    private static let mostConnections = 32

    /// Listens at `shim.sock` in the slot's run directory, for the service's group.
    init(loop: EventLoop, supervisor: SandboxSupervisor, directory: Directory, group: UInt32) throws(SystemCallError) {
        self.loop = loop
        self.supervisor = supervisor
        let path = "\(directory.procPath)/shim.sock"
        listener = Descriptor(owning: try check(cordon_listen_unix(path), "bind", "shim.sock"))
        try check(chown(path, 0, group), "chown", "shim.sock")
        try check(chmod(path, 0o660), "chmod", "shim.sock")
        try loop.watch(listener.raw, for: .readable) { [unowned self] _ in self.accept() }
        supervisor.onExecEnded = { [unowned self] state in
            for connection in self.connections.values where connection.isGreeted {
                connection.report(ExecEnded(state: state))
            }
        }
    }

    private func accept() {
        let raw = cordon_accept(listener.raw)
        guard raw >= 0 else { return }
        let socket = Descriptor(owning: raw)
        var pid: pid_t = 0
        var user: uid_t = .max
        guard connections.count < Self.mostConnections, cordon_peer(raw, &pid, &user) == 0 else { return }
        let number = nextConnection
        nextConnection += 1
        connections[number] = ShimConnection(
            number: number, channel: FrameChannel(socket: socket, loop: loop), supervisor: supervisor, isRoot: user == 0
        ) { [unowned self] in self.connections[number] = nil }
    }
}

/// One connection of the service to a shim.
final class ShimConnection {
    private let number: Int
    private let channel: FrameChannel
    private let isRoot: Bool
    private unowned let supervisor: SandboxSupervisor
    private var readers: [UInt64: (ExecID, OutputStream)] = [:]
    /// Whether it has said `Hello`, and so hears reports: others are there for one thing.
    private(set) var isGreeted = false
    /// Whether the service holds the sandbox awake over this connection.
    private var isHolding = false

    /// - Parameter isRoot: whether the other end is the launcher, not the service.
    init(
        number: Int, channel: FrameChannel, supervisor: SandboxSupervisor, isRoot: Bool,
        onClose: @escaping () -> Void
    ) {
        self.number = number
        self.isRoot = isRoot
        self.channel = channel
        self.supervisor = supervisor
        channel.onClose = { [unowned self] in
            // The service may come back, and its readers with it.
            for (reader, (exec, stream)) in self.readers {
                supervisor.execs[exec]?.outputs[stream]?.close(.init(connection: number, number: reader))
            }
            if self.isHolding { supervisor.letGoSoon() }
            onClose()
        }
        channel.onFrame = { [unowned self] frame in try self.serve(frame) }
        channel.takesDescriptors = isRoot
        channel.open()
    }

    func report(_ message: some Message) { channel.send(message, request: 0) }

    private func answer<Body: Message>(_ request: UInt64) -> (Result<Body, Failure>) -> Void {
        { [weak channel] result in
            switch result {
            case .success(let body): channel?.send(body, request: request)
            case .failure(let failure): channel?.send(failure, request: request)
            }
        }
    }

    private func serve(_ frame: Frame) throws {
        let request = frame.request
        switch MessageType(rawValue: frame.type) {
        case .hello:
            isGreeted = true
            channel.send(supervisor.status, request: request)
        case .openFiles:
            let open: OpenFiles = try frame.decode()
            // From here on it is the agent who talks with the service.
            supervisor.openFiles(open, over: try channel.detach())
        case .startExec: supervisor.startExec(try frame.decode(), answer: answer(request))
        case .startTerminalExec:
            supervisor.startExec((try frame.decode(StartTerminalExec.self)).start, answer: answer(request))
        case .resize:
            let resize: Resize = try frame.decode()
            reply(request) { () throws(Failure) in try supervisor.resize(resize.exec, to: resize.size) }
        case .signal:
            let signal: Signal = try frame.decode()
            reply(request) { () throws(Failure) in try supervisor.signal(signal.exec, signal.number) }
        case .writeStdin: writeStdin(try frame.decode(), request)
        case .watch: watch(try frame.decode(), request)
        case .closeReader:
            let reader = (try frame.decode(CloseReader.self)).reader
            if let (exec, stream) = readers.removeValue(forKey: reader) {
                supervisor.execs[exec]?.outputs[stream]?.close(.init(connection: number, number: reader))
            }
        case .keepRouter where isRoot: supervisor.router = channel.takeDescriptor()
        case .holdAwake: hold((try frame.decode(HoldAwake.self)).isHeld)
        case .setDeadlines:
            let change: SetDeadlines = try frame.decode()
            reply(request) { () throws(Failure) in try supervisor.setDeadlines(change) }
        case .endSandbox: supervisor.end(.terminated, (try frame.decode(EndSandbox.self)).detail)
        default: channel.send(Failure(.unimplemented, "message type \(frame.type)"), request: request)
        }
    }

    private func hold(_ isHeld: Bool) {
        guard isHeld != isHolding else { return }
        isHolding = isHeld
        if isHeld { supervisor.hold() } else { supervisor.letGo() }
    }

    private func reply(_ request: UInt64, _ action: () throws(Failure) -> Void) {
        do {
            try action()
            channel.send(Done(), request: request)
        } catch { channel.send(error, request: request) }
    }

    private func writeStdin(_ write: WriteStdin, _ request: UInt64) {
        guard let exec = supervisor.execs[write.exec] else {
            channel.send(Failure(.notFound, "no exec \(write.exec)"), request: request)
            return
        }
        supervisor.activity()
        exec.stdin.write(write) { [weak channel] result in
            switch result {
            case .success(let state): channel?.send(StdinProgress(state: state), request: request)
            case .failure(let failure): channel?.send(failure, request: request)
            }
        }
    }

    private func watch(_ watch: Watch, _ request: UInt64) {
        guard let exec = supervisor.execs[watch.exec] else {
            channel.send(Failure(.notFound, "no exec \(watch.exec)"), request: request)
            return
        }
        guard let output = exec.outputs[watch.stream] else {
            // Discarded: there is nothing, and never will be.
            channel.send(Extent(extent: StreamExtent(first: 0, end: 0, closed: true)), request: request)
            return
        }
        readers[watch.reader] = (watch.exec, watch.stream)
        let reader = OutputPipe.ReaderID(connection: number, number: watch.reader)
        output.watch(reader, offset: watch.offset, limit: watch.limit) { [weak channel] extent in
            channel?.send(Extent(extent: extent), request: request)
        }
    }
}
