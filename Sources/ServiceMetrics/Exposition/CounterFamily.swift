import Synchronization

/// Counts that only grow, one for each combination of labels.
final class CounterFamily: Sendable {
    /// Families up to this size are shown whole, so that a rate can be taken from a first event on.
    private static let shownWhole = 64

    private let name: String
    private let help: String
    private let space: LabelSpace
    private let counts: Mutex<[UInt64]>

    init(_ name: String, _ help: String, _ labels: [MetricLabel] = []) {
        self.name = name
        self.help = help
        space = LabelSpace(labels: labels)
        counts = Mutex([UInt64](repeating: 0, count: space.count))
    }

    /// - Parameter values: one for each label, in their order.
    func add(_ amount: UInt64 = 1, _ values: String...) {
        let index = space.index(values)
        counts.withLock { $0[index] &+= amount }
    }

    func write(to text: inout ExpositionText) {
        text.begin(name, .counter, help)
        let counts = counts.withLock { $0 }
        for (index, count) in counts.enumerated() where count > 0 || counts.count <= Self.shownWhole {
            text.sample(name, space.labels(at: index), count)
        }
    }
}
