import LinuxSystem
import SandboxModel

/// The relays and the listeners of one thread. Nothing in it waits.
final class RelayLoop {
    let events: EventLoop
    var carriers = CarrierStock()
    private var relays: [ObjectIdentifier: Relay] = [:]
    private var listeners: [ObjectIdentifier: Listener] = [:]

    init(_ events: EventLoop) { self.events = events }

    /// Accepts a tunnel's clients until it is closed.
    func listen(_ listener: Int32, for tunnel: OpenTunnel, onAccept: @escaping @Sendable (Int32, IPAddress) -> Void) {
        let descriptor = Descriptor(owning: listener)
        guard !tunnel.isClosed else { return }
        listeners[ObjectIdentifier(tunnel)] = Listener(descriptor, loop: events, onAccept: onAccept)
    }

    /// Accepts clients for as long as the process lives.
    func listen(_ listener: Int32, onAccept: @escaping @Sendable (Int32, IPAddress) -> Void) {
        let accepting = Listener(Descriptor(owning: listener), loop: events, onAccept: onAccept)
        listeners[ObjectIdentifier(accepting)] = accepting
    }

    /// Joins two connected sockets; those of a tunnel that was closed meanwhile are closed.
    func join(_ client: Int32, _ server: Int32, tunnel: OpenTunnel, use: TunnelUse) {
        let relay = Relay(
            client: Descriptor(owning: client), server: Descriptor(owning: server), tunnel: tunnel, use: use, loop: self
        )
        relays[ObjectIdentifier(relay)] = relay
        guard !tunnel.isClosed else { return relay.finish(cleanly: false) }
        relay.move()
    }

    func remove(_ relay: Relay) {
        // Its handlers may be on the stack.
        events.afterTurn { [self] in relays[ObjectIdentifier(relay)] = nil }
    }

    /// Ends a tunnel's listening and every connection of it.
    func close(_ tunnel: OpenTunnel) {
        listeners[ObjectIdentifier(tunnel)] = nil
        for relay in Array(relays.values) where relay.tunnel === tunnel { relay.finish(cleanly: false) }
    }
}
