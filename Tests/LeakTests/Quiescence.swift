import Foundation
import ServiceSupport

extension HostCensus {
    /// Waits until the instance has exactly what it had before, and returns what is different in the
    /// end: nothing, or what has leaked. Waits longer for as long as something still changes.
    static func settle(_ service: ServiceInstance, to before: HostCensus, ignoring prefix: String? = nil) async throws
        -> [String]
    {
        let wanted = prefix.map { before.without($0) } ?? before
        var last: HostCensus?
        var unchanged = 0
        for _ in 0..<2400 {
            var census = HostCensus.take(of: try Instance(service))
            if let prefix { census = census.without(prefix) }
            let difference = census.difference(from: wanted).filter { !comesAndGoes($0) }
            if difference.isEmpty { return [] }
            unchanged = census == last ? unchanged + 1 : 0
            // 30 s of standstill: nobody is at work on it any more.
            if unchanged > 300 { return difference }
            last = census
            try await Task.sleep(for: .milliseconds(100))
        }
        return last?.difference(from: wanted).filter { !comesAndGoes($0) } ?? []
    }

    /// A connection that was still closing when the count began is not missed. A database is read over five
    /// connections at most, opened as they are needed.
    private static func comesAndGoes(_ line: String) -> Bool {
        if line.contains("descriptor of cordond …/data/service/"), line.contains(".db") {
            return abs(line.split(separator: " ").first.flatMap { Int($0) } ?? .max) < 5
        }
        return line.hasPrefix("-") && line.hasSuffix("descriptor of cordond socket:")
    }

    /// The census once the pool is full and nothing changes.
    static func quiet(_ service: ServiceInstance, pool: Int) async throws -> HostCensus {
        var last = HostCensus()
        var unchanged = 0
        for _ in 0..<600 {
            let census = HostCensus.take(of: try Instance(service))
            let slots = service.slots().filter(\.sandbox.isEmpty).count
            let isFull = slots == pool && census.count("process cordon-shim") == 2 * pool
            unchanged = isFull && census == last ? unchanged + 1 : 0
            if unchanged >= 20 { return census }
            last = census
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ServiceInstance.Unavailable("the instance does not come to rest: \(last.counts)")
    }
}

/// A generator whose sequence a seed gives: the same order on every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        // SplitMix64.
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
