import SandboxModel

/// Answers of upstream servers, for as long as their records live.
///
/// Each sandbox has its own: what another has asked shows in how fast an answer comes.
struct AnswerCache {
    struct Key: Hashable {
        var sandbox: SandboxID
        var ask: UpstreamAsk
    }

    private struct Entry {
        var answer: DNSMessage
        var stored: ContinuousClock.Instant
        var expires: ContinuousClock.Instant
        var bytes: Int
    }

    private static let maximumBytes = 8 << 20
    private static let longest: UInt32 = 3600
    private static let longestNegative: UInt32 = 300

    private var entries: [Key: Entry] = [:]
    private var bytes = 0

    /// The answer, with its records' times to live as they are now.
    mutating func answer(for key: Key, now: ContinuousClock.Instant) -> DNSMessage? {
        guard let entry = entries[key] else { return nil }
        guard entry.expires > now else {
            remove(key)
            return nil
        }
        let age = UInt32(clamping: (now - entry.stored).components.seconds)
        var answer = entry.answer
        for index in answer.answers.indices { answer.answers[index].age(by: age) }
        for index in answer.authorities.indices { answer.authorities[index].age(by: age) }
        return answer
    }

    mutating func store(_ answer: DNSMessage, for key: Key, now: ContinuousClock.Instant) {
        let seconds = Self.lifetime(answer)
        guard seconds > 0 else { return }
        var kept = answer
        kept.additionals = []
        // What it takes in memory, roughly.
        let size = (kept.answers + kept.authorities).reduce(256) { $0 + $1.data.count + $1.name.wire.count + 128 }
        guard size <= Self.maximumBytes / 64 else { return }
        remove(key)
        if bytes + size > Self.maximumBytes { removeExpired(now) }
        while bytes + size > Self.maximumBytes, let any = entries.keys.first { remove(any) }
        entries[key] = Entry(answer: kept, stored: now, expires: now + .seconds(Int64(seconds)), bytes: size)
        bytes += size
    }

    mutating func forget(_ sandbox: SandboxID) {
        for key in entries.keys where key.sandbox == sandbox { remove(key) }
    }

    private mutating func removeExpired(_ now: ContinuousClock.Instant) {
        for (key, entry) in entries where entry.expires <= now { remove(key) }
    }

    private mutating func remove(_ key: Key) {
        if let entry = entries.removeValue(forKey: key) { bytes -= entry.bytes }
    }

    /// RFC 2308 for what isn't there: the SOA's time to live and its last field, whichever is less.
    private static func lifetime(_ answer: DNSMessage) -> UInt32 {
        if let shortest = answer.answers.map(\.seconds).min(), answer.code == .noError {
            return min(shortest, longest)
        }
        guard let soa = answer.authorities.first(where: { $0.type == .soa }), soa.data.count >= 20 else { return 0 }
        let minimum = soa.data.suffix(4).reduce(0) { $0 << 8 | UInt32($1) }
        return min(soa.seconds, minimum, longestNegative)
    }
}

extension DNSRecord {
    fileprivate mutating func age(by age: UInt32) { seconds = seconds > age ? seconds - age : 0 }
}
