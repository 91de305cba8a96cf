import CLinux
import Glibc
import LinuxSystem

/// How many connections of all sandboxes together the kernel remembers, and whether there may be more: its memory of
/// them has one bound for everybody, the host's own connections too.
///
/// It looks again before the sandboxes that there are could have begun as many as are left.
final class ConnectionGate {
    /// What the kernel remembers at most where it doesn't say.
    private static let usualMaximum: UInt32 = 131_072
    private static let shortest = Duration.milliseconds(20)
    private static let longest = Duration.seconds(5)

    let most: UInt32
    private(set) var isClosed = false
    /// The router's, however often it is read.
    private let count: Descriptor

    /// - Parameter most: nil for half of what the kernel remembers.
    init(_ router: Router, most: UInt32?) throws(SystemCallError) {
        self.most = most ?? max(1, Self.maximum / 2)
        count = Descriptor(
            owning: try router.namespace.run(from: router.home) { () throws(SystemCallError) in
                let path = "/proc/sys/net/netfilter/nf_conntrack_count"
                return try check(cordon_open(AT_FDCWD, path, O_RDONLY, 0), "open", path)
            })
    }

    private static var maximum: UInt32 {
        let text = (try? KernelFile.read("/proc/sys/net/netfilter/nf_conntrack_max")) ?? nil
        return text.flatMap { UInt32($0) } ?? usualMaximum
    }

    /// Looks, and returns whether that changed something. It opens again once a tenth is free.
    func look() -> Bool {
        let wasClosed = isClosed
        isClosed = now >= (wasClosed ? most - most / 10 : most)
        return isClosed != wasClosed
    }

    private var now: UInt32 {
        var buffer = [UInt8](repeating: 0, count: 32)
        let length = pread(count.raw, &buffer, buffer.count, 0)
        let digits = buffer.prefix(max(0, length)).prefix { (48...57).contains($0) }
        return UInt32(String(decoding: digits, as: UTF8.self)) ?? 0
    }

    /// How long it may take until the next look, with so many sandboxes that begin so many each second.
    func pause(sandboxes: Int, perSecond: UInt32) -> Duration {
        let left = Double(now < most ? most - now : 0)
        let rate = Double(max(1, sandboxes)) * Double(max(1, perSecond))
        return min(max(.seconds(left / rate), Self.shortest), Self.longest)
    }
}
