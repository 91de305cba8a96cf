/// What was measured, `count` times: for times the median and the 99th percentile, for rates the median.
struct Figure: Encodable {
    enum Unit: String, Encodable {
        case milliseconds = "ms"
        case gigabytesPerSecond = "GB/s"
        case perSecond = "/s"
    }

    /// What should be reached: at most so much for times, at least for rates.
    struct Objectives: Encodable {
        var median: Double
        var p99: Double?
    }

    let measure: String
    let unit: Unit
    let median: Double
    let p99: Double
    let count: Int
    let objectives: Objectives

    init(_ measure: String, _ values: [Double], unit: Unit, objectives: Objectives) {
        let ordered = values.sorted()
        self.measure = measure
        self.unit = unit
        median = ordered[ordered.count / 2]
        p99 = ordered[min(ordered.count - 1, ordered.count * 99 / 100)]
        count = ordered.count
        self.objectives = objectives
    }

    private var isTime: Bool { unit == .milliseconds }

    var line: String {
        let tail = isTime ? "p99 \(Self.text(p99)) \(unit.rawValue)" : ""
        return Self.columns(measure, "\(Self.text(median)) \(unit.rawValue)", tail, "n \(count)")
    }

    /// A line for each objective: met, or by how much not.
    var verdicts: [String] {
        var lines = [verdict("median", median, objectives.median)]
        if let most = objectives.p99 { lines.append(verdict("p99", p99, most)) }
        return lines
    }

    private func verdict(_ name: String, _ value: Double, _ objective: Double) -> String {
        let isMet = isTime ? value <= objective : value >= objective
        let ratio = isTime ? value / objective : objective / value
        return Self.columns(
            isTime ? "\(measure), \(name)" : measure,
            "\(isTime ? "≤" : "≥") \(Self.text(objective)) \(unit.rawValue)", "\(Self.text(value)) \(unit.rawValue)",
            isMet ? "met" : "missed by \(Self.text(ratio)) ×")
    }

    /// Two digits behind the point.
    private static func text(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }

    private static func columns(_ name: String, _ others: String...) -> String {
        let wide = name + String(repeating: " ", count: max(1, 60 - name.count))
        return wide + others.map { String(repeating: " ", count: max(0, 14 - $0.count)) + $0 }.joined(separator: " ")
    }
}
