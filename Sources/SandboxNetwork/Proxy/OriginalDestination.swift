import Glibc
import NIOCore
import SandboxModel

/// Where a redirected connection was going.
package struct OriginalDestination: Sendable {
    package struct Place: Hashable, Sendable {
        package var address: IPAddress
        package var port: UInt16

        package init(address: IPAddress, port: UInt16) {
            self.address = address
            self.port = port
        }
    }

    /// nil when it can't be told, or the connection wasn't redirected.
    package let find: @Sendable (any Channel) -> EventLoopFuture<Place?>

    package init(find: @escaping @Sendable (any Channel) -> EventLoopFuture<Place?>) { self.find = find }

    /// What netfilter remembers of the connection (SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST).
    package static let netfilter = OriginalDestination { channel in
        guard let options = channel as? any SocketOptionProvider, let local = channel.localAddress else {
            return channel.eventLoop.makeSucceededFuture(nil)
        }
        let own = Place(local)
        let place: EventLoopFuture<Place?> =
            switch local {
            case .v4:
                (options.unsafeGetSocketOption(level: ipLevel, name: originalDestination)
                    as EventLoopFuture<sockaddr_in>)
                    .map { Place(SocketAddress($0)) }
            case .v6:
                (options.unsafeGetSocketOption(level: ipv6Level, name: originalDestination)
                    as EventLoopFuture<sockaddr_in6>)
                    .map { Place(SocketAddress($0)) }
            case .unixDomainSocket: channel.eventLoop.makeSucceededFuture(nil)
            }
        return place.map { $0 == own ? nil : $0 }.recover { _ in nil }
    }

    private static let ipLevel = NIOBSDSocket.OptionLevel(rawValue: 0)
    private static let ipv6Level = NIOBSDSocket.OptionLevel(rawValue: 41)
    /// The same number in both families (linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h).
    private static let originalDestination = NIOBSDSocket.Option(rawValue: 80)
}

extension OriginalDestination.Place {
    fileprivate init?(_ address: SocketAddress) {
        guard let ip = IPAddress(address), let port = address.port.flatMap(UInt16.init(exactly:)), port != 0 else {
            return nil
        }
        self.init(address: ip, port: port)
    }
}
