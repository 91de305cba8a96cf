import CLinux
import LinuxSystem

/// A client's connection and the one to a server inside, joined: bytes, ends of data and failures of
/// each go to the other.
final class Relay {
    private let client: Descriptor
    private let server: Descriptor
    private var inward: RelayDirection
    private var outward: RelayDirection
    /// What each descriptor is watched for; nil while it isn't.
    private var watched: [Int32: EventLoop.Readiness] = [:]
    private unowned let loop: RelayLoop
    private var isQueued = false
    private var isOver = false
    let tunnel: OpenTunnel
    private let use: TunnelUse

    init(
        client: consuming Descriptor, server: consuming Descriptor, tunnel: OpenTunnel, use: TunnelUse, loop: RelayLoop
    ) {
        inward = RelayDirection(from: client.raw, to: server.raw)
        outward = RelayDirection(from: server.raw, to: client.raw)
        self.client = client
        self.server = server
        self.tunnel = tunnel
        self.use = use
        self.loop = loop
        for raw in [self.client.raw, self.server.raw] {
            _ = cordon_tcp_prepare(raw)
            // Also when this process is killed: what was cut off must not look whole.
            cordon_tcp_reset_on_close(raw, true)
        }
    }

    /// Moves what there is in these directions; called again whenever a socket is ready.
    func move(inward movesInward: Bool = true, outward movesOutward: Bool = true) {
        guard !isOver else { return }
        let first = movesInward ? inward.move(&loop.carriers) : .waiting
        let second = movesOutward ? outward.move(&loop.carriers) : .waiting
        if first == .failed || second == .failed { return finish(cleanly: false) }
        if inward.isDone, outward.isDone { return finish(cleanly: true) }
        watch(client.raw, reads: inward.wantsToRead, writes: outward.wantsToWrite)
        watch(server.raw, reads: outward.wantsToRead, writes: inward.wantsToWrite)
        guard first == .busy || second == .busy, !isQueued else { return }
        isQueued = true
        loop.events.afterTurn { [self] in
            isQueued = false
            move()
        }
    }

    private func watch(_ descriptor: Int32, reads: Bool, writes: Bool) {
        var interest: EventLoop.Readiness = []
        if reads { interest.insert(.readable) }
        if writes { interest.insert(.writable) }
        guard !isOver, watched[descriptor] != interest else { return }
        if watched[descriptor] == nil {
            do {
                try loop.events.watch(descriptor, for: interest) { [unowned self] in self.ready(descriptor, $0) }
            } catch { return finish(cleanly: false) }
        } else {
            loop.events.change(descriptor, to: interest)
        }
        watched[descriptor] = interest
    }

    private func ready(_ descriptor: Int32, _ readiness: EventLoop.Readiness) {
        // Reset by its peer: nothing that is still on its way to it can arrive.
        if readiness.contains(.error) { return finish(cleanly: false) }
        if readiness.isDisjoint(with: [.readable, .writable]) {
            // Both its ends are shut, which it would say again and again, while what it has sent waits
            // for the other's room: it is looked at again then.
            loop.events.unwatch(descriptor)
            watched[descriptor] = nil
            return
        }
        let (reads, writes) = (readiness.contains(.readable), readiness.contains(.writable))
        let isClient = descriptor == client.raw
        move(inward: isClient ? reads : writes, outward: isClient ? writes : reads)
    }

    /// Closes both; a failure of one is one of the other too.
    func finish(cleanly: Bool) {
        guard !isOver else { return }
        isOver = true
        for descriptor in watched.keys { loop.events.unwatch(descriptor) }
        watched = [:]
        if cleanly {
            for raw in [client.raw, server.raw] { cordon_tcp_reset_on_close(raw, false) }
        }
        inward.letGo(&loop.carriers)
        outward.letGo(&loop.carriers)
        use.finish(inward: inward.bytes, outward: outward.bytes)
        loop.remove(self)
    }
}
