import NIOCore
import SandboxModel
import Synchronization

/// Which addresses no answer and no proxied connection leads to, whatever the policy says.
package struct AddressFloor: Sendable {
    /// Why an address is closed; nil when it isn't.
    package let rule: @Sendable (IPAddress) -> String?

    package init(rule: @escaping @Sendable (IPAddress) -> String?) { self.rule = rule }

    /// What is closed to every sandbox, and this host's own addresses, as they are when asked.
    ///
    /// - Parameter opened: parts of private ranges that the configuration opens.
    package static func standard(opened: [AddressRange]) -> AddressFloor {
        let host = HostAddresses()
        return AddressFloor { address in
            if let rule = ClosedRanges.rule(for: address, opened: opened) { return rule }
            return host.contains(address.unmapped) ? "host" : nil
        }
    }
}

/// The addresses of this host's interfaces.
private final class HostAddresses: Sendable {
    private struct State {
        var addresses: Set<IPAddress> = []
        var read: ContinuousClock.Instant?
    }

    private static let interval = Duration.seconds(2)

    private let state = Mutex(State())

    func contains(_ address: IPAddress) -> Bool {
        state.withLock { state in
            let now = ContinuousClock.now
            if state.read.map({ now - $0 >= Self.interval }) ?? true {
                state.read = now
                if let devices = try? System.enumerateDevices() {
                    state.addresses = Set(devices.compactMap { $0.address.flatMap(IPAddress.init(_:)) })
                }
            }
            return state.addresses.contains(address)
        }
    }
}
