import SandboxModel

/// What the permitted names of one sandbox resolve to now: which addresses are open to it, by which name,
/// and until when.
package struct NameBindings: Sendable {
    package struct Limits: Sendable {
        /// An answer holds at least this long: short times to live are meant for those who ask each time.
        package var shortest = Duration.seconds(300)
        package var longest = Duration.seconds(3600)
        package var namesKept = 512
        package var addressesPerName = 64
        /// A name that wasn't asked for so long isn't kept open any more.
        package var memory = Duration.seconds(86_400)
        package init() {}
    }

    private struct Binding {
        var addresses: [IPAddress: ContinuousClock.Instant] = [:]
        var asked: ContinuousClock.Instant
        /// When what it resolved to latest is over.
        var until: ContinuousClock.Instant
    }

    private let limits: Limits
    private var bindings: [String: Binding] = [:]

    package init(_ limits: Limits) { self.limits = limits }

    /// How long an answer's addresses stay open.
    package func holding(seconds: UInt32) -> Duration {
        min(max(.seconds(Int64(seconds)), limits.shortest), limits.longest)
    }

    /// What clients are told at most of how long an answer holds: addresses are open for longer.
    package var told: UInt32 { UInt32(clamping: limits.shortest.components.seconds / 2) }

    /// The addresses that must be opened, or opened for longer, when a name has just resolved to these.
    package func due(
        _ addresses: [IPAddress], of name: String, seconds: UInt32, now: ContinuousClock.Instant
    ) -> [IPAddress] {
        let known = bindings[name]?.addresses ?? [:]
        return addresses.prefix(limits.addressesPerName).filter { address in
            known[address].map { $0 < now + holding(seconds: seconds) * 3 / 4 } ?? true
        }
    }

    /// Notes that addresses are open until `until`.
    package mutating func bind(
        _ addresses: [IPAddress], to name: String, until: ContinuousClock.Instant, now: ContinuousClock.Instant,
        asked: Bool
    ) {
        guard !addresses.isEmpty || bindings[name] != nil else { return }
        var binding = bindings[name] ?? Binding(asked: now, until: until)
        if asked { binding.asked = now }
        binding.addresses = binding.addresses.filter { $0.value > now }
        for address in addresses where binding.addresses[address].map({ $0 < until }) ?? true {
            binding.addresses[address] = until
        }
        // Names that rotate through many addresses keep the latest.
        while binding.addresses.count > limits.addressesPerName,
            let oldest = binding.addresses.min(by: { $0.value < $1.value })?.key
        {
            binding.addresses[oldest] = nil
        }
        binding.until = binding.addresses.values.max() ?? until
        bindings[name] = binding
        while bindings.count > limits.namesKept, let oldest = bindings.min(by: { $0.value.asked < $1.value.asked })?.key
        {
            bindings[oldest] = nil
        }
    }

    /// Whether a name has resolved to an address, and that still holds.
    package func isBound(_ name: String, to address: IPAddress, now: ContinuousClock.Instant) -> Bool {
        bindings[name]?.addresses[address].map { $0 > now } ?? false
    }

    /// Names that are to be resolved again soon, so that what they lead to stays open. Those that are over
    /// are forgotten.
    package mutating func renewals(now: ContinuousClock.Instant) -> [String] {
        bindings = bindings.filter { $0.value.until > now }
        return bindings.filter { $0.value.until - now < limits.shortest / 2 && now - $0.value.asked < limits.memory }
            .keys.sorted()
    }
}
