/// How much a sandbox may ask, so that questions aren't a way out for data.
///
/// Whoever owns a name below which everything is permitted sees each name asked there. Nobody can tell
/// an odd name from an honest one; how many, how long and how fast can be bounded.
package struct NameBudget: Sendable {
    package struct Limits: Sendable {
        /// Different names below one `*.` entry.
        package var namesPerParent = 256
        /// Different names below all of them.
        package var namesInAll = 2048
        /// Characters in front of what an entry names.
        package var charactersBelow = 100
        package var labelsBelow = 6
        package var queriesPerSecond = 100.0
        package var queriesAtOnce = 200.0
        package init() {}
    }

    private let limits: Limits
    private var tokens: Double
    private var filled: ContinuousClock.Instant
    /// Hashes of names, by what stands behind `*.`: names themselves would be a sandbox's to fill our memory with.
    private var seen: [String: Set<Int>] = [:]
    private var seenInAll = 0

    package init(_ limits: Limits, now: ContinuousClock.Instant) {
        self.limits = limits
        tokens = limits.queriesAtOnce
        filled = now
    }

    /// Takes one query; false when there are too many.
    package mutating func takeQuery(now: ContinuousClock.Instant) -> Bool {
        tokens = min(limits.queriesAtOnce, tokens + (now - filled) / .seconds(1) * limits.queriesPerSecond)
        filled = now
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    /// Why a name below a `*.` entry isn't resolved; nil, and it is noted, when it is.
    mutating func refusal(of name: String, below: String, parent: String) -> String? {
        guard below.utf8.count <= limits.charactersBelow else {
            return "more than \(limits.charactersBelow) characters below *.\(parent)"
        }
        guard below.utf8.count(where: { $0 == UInt8(ascii: ".") }) < limits.labelsBelow else {
            return "more than \(limits.labelsBelow) labels below *.\(parent)"
        }
        if seen[parent]?.contains(name.hashValue) == true { return nil }
        guard seen[parent]?.count ?? 0 < limits.namesPerParent else {
            return "more than \(limits.namesPerParent) different names below *.\(parent)"
        }
        guard seenInAll < limits.namesInAll else {
            return "more than \(limits.namesInAll) different names below *. entries"
        }
        seen[parent, default: []].insert(name.hashValue)
        seenInAll += 1
        return nil
    }
}
