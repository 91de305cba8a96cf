import NIOCore
import NIOPosix
import SandboxModel
import Synchronization

/// Names for sandboxes: a resolver, and a proxy that passes on what goes to permitted names.
///
/// It serves on sockets of the router's, from this process' own network namespace.
public final class NameService: Sendable {
    /// What it counts, as `readings` tells.
    public struct Readings: Sendable, Hashable {
        public var queries: UInt64
        public var answeredFromCache: UInt64
        public var refusedQueries: UInt64
        public var malformedQueries: UInt64
        public var excessQueries: UInt64
        public var upstreamFailures: UInt64
        public var proxiedConnections: UInt64
        public var deniedConnections: UInt64
        /// Now.
        public var openConnections: Int
    }

    let resolver: Resolver
    let proxy: NameProxy
    private let group: any EventLoopGroup
    private let counters: NameCounters
    private let streams: ConnectionAdmission<IPAddress>
    private let channels = Mutex<[any Channel]>([])

    /// How often what is over soon is looked for.
    private static let renewalInterval = Duration.seconds(15)

    /// - Parameters:
    ///   - policy: The policy of a sandbox as it is now; nil once it is over, and while it is being changed.
    ///   - resolvers: Servers to ask, `ADDRESS` or `ADDRESS:PORT`; none means those of `/etc/resolv.conf`.
    ///   - openedRanges: Parts of private ranges that the configuration opens.
    ///   - descriptors: How many sockets may be open at a time.
    public convenience init(
        host: any SandboxNetworkHost, policy: @escaping @Sendable (SandboxID) -> NetworkPolicy?, resolvers: [String],
        openedRanges: [AddressRange], descriptors: Int
    ) {
        var settings = NameServiceSettings()
        if !resolvers.isEmpty { settings.servers = UpstreamServers(resolvers.compactMap(UpstreamServer.init(_:))) }
        settings.floor = .standard(opened: openedRanges)
        settings.fit(descriptors)
        self.init(host: host, policy: policy, settings: settings)
    }

    package init(
        host: any SandboxNetworkHost, policy: @escaping @Sendable (SandboxID) -> NetworkPolicy?,
        settings: NameServiceSettings
    ) {
        // A thread of its own: what sandboxes send through it holds nobody else up.
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        counters = NameCounters()
        streams = ConnectionAdmission(most: settings.streams, mostOfOne: 8)
        let directory = NameDirectory(host: host, policy: policy)
        resolver = Resolver(
            directory: directory, upstream: UpstreamClient(settings.servers, on: group, limits: settings.upstream),
            floor: settings.floor, limits: settings.resolver, counters: counters)
        proxy = NameProxy(
            resolver: resolver, directory: directory, floor: settings.floor, destination: settings.destination,
            counters: counters, limits: settings.proxy, group: group)
    }

    /// Whether a text names a resolver.
    public static func isResolver(_ text: String) -> Bool { UpstreamServer(text) != nil }

    /// Serves on these sockets, which are its own from now on, and no longer on those that it had.
    public func serve(_ sockets: RouterSockets) async throws {
        var opened: [any Channel] = []
        opened.append(try await DatagramService.start(on: sockets.resolverUDP, resolver: resolver, group: group))
        opened.append(
            try await StreamService.start(
                on: sockets.resolverTCP, resolver: resolver, admission: streams, group: group))
        opened.append(try await proxy.start(on: sockets.proxy))
        if let socket = sockets.proxyV6 { opened.append(try await proxy.start(on: socket)) }
        let old = channels.withLock { channels in
            defer { channels = opened }
            return channels
        }
        for channel in old { channel.close(promise: nil) }
    }

    /// Serves no longer. Nothing is called after it.
    public func stop() async {
        let open = channels.withLock { channels in
            defer { channels = [] }
            return channels
        }
        for channel in open { try? await channel.close() }
        try? await group.shutdownGracefully()
    }

    /// Keeps open what is in use, until it is cancelled.
    public func run() async {
        var rounds = 0
        while !Task.isCancelled {
            do { try await Task.sleep(for: Self.renewalInterval) } catch { return }
            await resolver.renew()
            rounds += 1
            if rounds % 4 == 0 { await proxy.keepOpen() }
        }
    }

    public var readings: Readings {
        Readings(
            queries: counters[.query], answeredFromCache: counters[.cached], refusedQueries: counters[.refusal],
            malformedQueries: counters[.malformed], excessQueries: counters[.excess],
            upstreamFailures: counters[.upstreamFailure], proxiedConnections: counters[.proxied],
            deniedConnections: counters[.proxyDenial], openConnections: proxy.connections)
    }
}

/// What a name service stands on, as it is unless somebody says otherwise.
package struct NameServiceSettings: Sendable {
    package var servers = UpstreamServers(file: "/etc/resolv.conf")
    package var floor = AddressFloor.standard(opened: [])
    package var destination = OriginalDestination.netfilter
    package var resolver = Resolver.Limits()
    package var upstream = UpstreamClient.Limits()
    package var proxy = ProxyLimits()
    /// Connections to the resolver.
    package var streams = 256

    package init() {}

    /// Shares descriptors out: a question upstream has one, a connection to the resolver too, and one that is
    /// passed on two.
    mutating func fit(_ descriptors: Int) {
        resolver.asking = min(resolver.asking, descriptors / 8)
        streams = min(streams, descriptors / 16)
        proxy.connections = min(proxy.connections, descriptors * 13 / 16 / 2)
    }
}
