/// A label and everything that it may say; whatever else comes is told as `other`.
struct MetricLabel: Sendable {
    static let other = "other"

    let name: String
    let values: [String]
    private let places: [String: Int]

    init(_ name: String, _ values: [String]) {
        self.name = name
        self.values = values.contains(Self.other) ? values : values + [Self.other]
        places = Dictionary(uniqueKeysWithValues: self.values.enumerated().map { ($1, $0) })
    }

    /// The value's place among `values`.
    func place(of value: String) -> Int { places[value] ?? places[Self.other] ?? 0 }
}

/// Every combination of some labels' values, numbered from 0: the number of series is known before the first.
struct LabelSpace: Sendable {
    let labels: [MetricLabel]

    var count: Int { labels.reduce(1) { $0 * $1.values.count } }

    /// The number of a combination, with a value for each label, in their order.
    func index(_ values: [String]) -> Int {
        zip(labels, values).reduce(0) { index, pair in index * pair.0.values.count + pair.0.place(of: pair.1) }
    }

    /// The labels of a combination.
    func labels(at index: Int) -> [(name: String, value: String)] {
        var rest = index
        return labels.reversed().map { label in
            defer { rest /= label.values.count }
            return (label.name, label.values[rest % label.values.count])
        }.reversed()
    }
}
