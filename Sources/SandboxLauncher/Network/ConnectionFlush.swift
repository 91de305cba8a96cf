import CLinux
import Glibc
import LinuxSystem
import SandboxModel

/// Has the kernel forget the connections of places that are nobody's any more, in the router and on the host,
/// before others get them. Looking through all connections takes time: a child does it.
final class ConnectionFlush {
    /// How many seconds it has.
    private static let turn: UInt32 = 30

    private var child: pid_t?
    private var numbers: [UInt32] = []

    var isRunning: Bool { child != nil }

    /// Begins with these. False when no process could be made.
    func start(_ numbers: [UInt32], _ network: LauncherNetwork) -> Bool {
        do {
            child = try LauncherChild.start {
                alarm(Self.turn)
                Self.flush(numbers, network)
            }
        } catch { return false }
        self.numbers = numbers
        return true
    }

    /// In the child.
    private static func flush(_ numbers: [UInt32], _ network: LauncherNetwork) -> Never {
        var addresses: Set<InternetAddress> = []
        for number in numbers {
            let place = network.block.place(number)
            addresses.insert(place.v4.internet)
            if let v6 = place.v6 { addresses.insert(v6.internet) }
        }
        do {
            let outside = try NetlinkSocket(NETLINK_NETFILTER)
            let inside = try network.router.namespace.run(from: network.host.home) { () throws(SystemCallError) in
                try NetlinkSocket(NETLINK_NETFILTER)
            }
            for socket in [outside, inside] { try Conntrack.forget(from: addresses, on: socket) }
            _exit(0)
        } catch { _exit(1) }
    }

    /// What a child that ended was about, and whether it did it; nil when it isn't this one.
    func ended(_ pid: pid_t, _ status: Int32) -> (numbers: [UInt32], isDone: Bool)? {
        guard pid == child else { return nil }
        child = nil
        defer { numbers = [] }
        return (numbers, status == 0)
    }
}
