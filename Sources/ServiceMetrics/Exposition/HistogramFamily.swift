import Synchronization

/// How long things took, one histogram for each combination of labels.
final class HistogramFamily: Sendable {
    /// From what a prepared sandbox takes to what a long poll does, in seconds.
    static let durations: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60,
    ]

    private struct Series {
        /// Of each bucket alone; the last is for what is above all bounds.
        var counts = [UInt64](repeating: 0, count: durations.count + 1)
        var sum = 0.0
        var total: UInt64 = 0
    }

    private let name: String
    private let help: String
    private let space: LabelSpace
    private let series: Mutex<[Int: Series]>

    init(_ name: String, _ help: String, _ labels: [MetricLabel] = []) {
        self.name = name
        self.help = help
        space = LabelSpace(labels: labels)
        series = Mutex(labels.isEmpty ? [0: Series()] : [:])
    }

    /// - Parameter values: one for each label, in their order.
    func observe(_ duration: Duration, _ values: String...) {
        let (seconds, attoseconds) = duration.components
        let value = Double(seconds) + Double(attoseconds) / 1e18
        let bucket = Self.durations.firstIndex { value <= $0 } ?? Self.durations.count
        let index = space.index(values)
        series.withLock { series in
            series[index, default: Series()].counts[bucket] += 1
            series[index, default: Series()].sum += value
            series[index, default: Series()].total += 1
        }
    }

    func write(to text: inout ExpositionText) {
        text.begin(name, .histogram, help)
        let bounds = Self.durations.map { "\($0)" } + ["+Inf"]
        for (index, one) in series.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            let labels = space.labels(at: index)
            var below: UInt64 = 0
            for (bound, count) in zip(bounds, one.counts) {
                below += count
                text.sample(name + "_bucket", labels + [("le", bound)], below)
            }
            text.sample(name + "_sum", labels, one.sum)
            text.sample(name + "_count", labels, one.total)
        }
    }
}
