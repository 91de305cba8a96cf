import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol

/// Asks the launcher for sockets and connects them, never waiting for a single one. Lives on one thread.
final class SocketConnector {
    /// The launcher is one thread that others need too: no more is asked of it at a time.
    private static let mostAsked = 64
    private static let mostAttempts = 4096
    private static let pauseBeforeReconnect = Duration.milliseconds(20)

    private let loop: EventLoop
    private let path: String
    private var channel: FrameChannel?
    private var reconnectTimer: Int?
    private var attempts: [ConnectTicket: ConnectAttempt] = [:]
    /// Those that need a socket.
    private var queue: [ConnectAttempt] = []
    /// Those whose socket was asked for, by the request's number.
    private var asked: [UInt64: ConnectAttempt] = [:]
    private var nextRequest: UInt64 = 1

    init(loop: EventLoop, path: String) {
        self.loop = loop
        self.path = path
    }

    func begin(_ attempt: ConnectAttempt, within limit: Duration) {
        guard attempts.count < Self.mostAttempts else {
            attempt.finish(
                .failure(
                    CordonError(
                        .resourceExhausted, "too many connections to sandboxes are on their way",
                        retryAfter: .seconds(1))))
            return
        }
        attempts[attempt.ticket] = attempt
        attempt.timer = loop.schedule(after: limit) { [unowned self, unowned attempt] in
            self.finish(
                attempt,
                .failure(
                    CordonError(
                        .deadlineExceeded,
                        "sandbox \(attempt.id) didn't accept a connection to port \(attempt.port) in time",
                        field: "port", value: "\(attempt.port)")))
        }
        queue.append(attempt)
        ask()
    }

    func cancel(_ ticket: ConnectTicket) {
        guard let attempt = attempts[ticket] else { return }
        finish(attempt, .failure(CancellationError()))
    }

    private func finish(_ attempt: ConnectAttempt, _ result: Result<SandboxConnection, any Error>) {
        attempts[attempt.ticket] = nil
        loop.cancel(attempt.timer)
        if let raw = attempt.socket?.raw { loop.unwatch(raw) }
        attempt.socket = nil
        attempt.finish(result)
    }

    // MARK: The launcher

    private func ask() {
        guard !queue.isEmpty, let channel = connected() else { return }
        var next = queue.startIndex
        while next < queue.endIndex, asked.count < Self.mostAsked {
            let attempt = queue[next]
            next += 1
            guard !attempt.isOver else { continue }
            nextRequest += 1
            asked[nextRequest] = attempt
            channel.send(OpenSocket(id: attempt.id, family: attempt.family), request: nextRequest)
        }
        queue.removeSubrange(..<next)
    }

    private func connected() -> FrameChannel? {
        if let channel { return channel }
        guard reconnectTimer == nil else { return nil }
        let raw = cordon_connect_unix(path)
        guard raw >= 0 else {
            reconnectSoon()
            return nil
        }
        let channel = FrameChannel(socket: Descriptor(owning: raw), loop: loop)
        channel.takesDescriptors = true
        channel.onFrame = { [unowned self, unowned channel] frame in self.hear(frame, channel) }
        channel.onClose = { [unowned self] in self.lost() }
        self.channel = channel
        channel.open()
        return channel
    }

    /// What was asked and not answered is asked of the launcher's successor.
    private func lost() {
        channel = nil
        queue = asked.sorted { $0.key < $1.key }.map(\.value) + queue
        asked = [:]
        reconnectSoon()
    }

    private func reconnectSoon() {
        reconnectTimer = loop.schedule(after: Self.pauseBeforeReconnect) { [unowned self] in
            self.reconnectTimer = nil
            self.ask()
        }
    }

    private func hear(_ frame: Frame, _ channel: FrameChannel) {
        defer { ask() }
        if frame.type == MessageType.socketOpened.rawValue {
            guard let socket = channel.takeDescriptor() else {
                channel.close()
                return
            }
            // The socket of an attempt that is over is closed here.
            guard let attempt = asked.removeValue(forKey: frame.request), !attempt.isOver else { return }
            connect(attempt, socket)
            return
        }
        guard let attempt = asked.removeValue(forKey: frame.request) else { return }
        let failure = (try? frame.decode(Failure.self)) ?? Failure(.internal, "the launcher's answer isn't one")
        finish(attempt, .failure(CordonError(failure)))
    }

    // MARK: Connecting

    private func connect(_ attempt: ConnectAttempt, _ socket: consuming Descriptor) {
        let raw = socket.raw
        attempt.socket = consume socket
        let family = attempt.family == .ipv4 ? AF_INET : AF_INET6
        if cordon_connect_loopback(raw, family, attempt.port) == 0 {
            settle(attempt, 0)
            return
        }
        guard errno == EINPROGRESS else {
            settle(attempt, errno)
            return
        }
        do {
            try loop.watch(raw, for: .writable) { [unowned self, unowned attempt] _ in
                self.settle(attempt, cordon_socket_error(raw))
            }
        } catch { settle(attempt, ENOMEM) }
    }

    private func settle(_ attempt: ConnectAttempt, _ error: Int32) {
        guard let socket = attempt.socket.take() else { return }
        loop.unwatch(socket.raw)
        switch (error, attempt.family) {
        case (0, _): finish(attempt, .success(SandboxConnection(owning: socket.release())))
        case (_, .ipv4) where error == ECONNREFUSED:
            attempt.family = .ipv6
            queue.append(attempt)
            ask()
        default: finish(attempt, .failure(CordonError.nobodyListens(on: attempt.port, of: attempt.id)))
        }
    }
}
