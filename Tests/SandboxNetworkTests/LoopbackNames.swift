import Foundation
import Glibc
import NIOCore
import SandboxModel
import SandboxNetwork
import Testing

/// The name service on sockets of the loopback, where the address that a client connects to says where its
/// connection was going.
final class LoopbackNames: Sendable {
    let host: LoopbackHost
    let service: NameService
    let upstream: UpstreamProgram
    let resolverPort: UInt16
    let proxyPort: UInt16
    private let running: Task<Void, Never>

    private init() async throws {
        let upstream = try await UpstreamProgram.start()
        let host = try LoopbackHost()
        self.upstream = upstream
        self.host = host
        var settings = NameServiceSettings()
        let server = try #require(UpstreamServer("127.0.0.1:\(upstream.ports.dns)"))
        settings.servers = UpstreamServers([server])
        // Short, for tests of what is silent, and long enough for a machine that does much else just now.
        settings.upstream.attempt = .milliseconds(1100)
        settings.upstream.whole = .milliseconds(3300)
        settings.proxy.opening = .seconds(4)
        settings.floor = AddressFloor { address in
            if address.description == "127.9.9.9" { return "metadata" }
            return address.description.hasPrefix("127.") ? nil : ClosedRanges.rule(for: address)
        }
        let places = try Self.places(upstream.ports)
        settings.destination = OriginalDestination { channel in
            let local = channel.localAddress.flatMap(IPAddress.init(_:))
            return channel.eventLoop.makeSucceededFuture(local.flatMap { places[$0.description] })
        }
        service = NameService(
            host: host, policy: { host.policy(of: $0) }, settings: settings)
        let (udp, tcp, resolverPort) = try Self.resolverSockets()
        let (proxy, proxyPort) = try Self.socket(SOCK_STREAM, "0.0.0.0", 0)
        self.resolverPort = resolverPort
        self.proxyPort = proxyPort
        try await service.serve(
            RouterSockets(resolverUDP: udp, resolverTCP: tcp, proxy: proxy, proxyV6: nil))
        running = Task { [service] in await service.run() }
    }

    static func with(_ body: (LoopbackNames) async throws -> Void) async throws {
        let names = try await LoopbackNames()
        try await body(names)
        names.running.cancel()
        await names.service.stop()
    }

    /// By the address that is connected to.
    private static func places(_ ports: UpstreamProgram.Ports) throws -> [String: OriginalDestination.Place] {
        func place(_ address: String, _ port: Int) throws -> OriginalDestination.Place {
            OriginalDestination.Place(address: try #require(IPAddress(address)), port: UInt16(port))
        }
        return [
            "127.0.1.1": try place("127.0.0.1", ports.tls), "127.0.1.2": try place("127.0.0.1", ports.web),
            "127.0.1.3": try place("127.0.0.1", ports.echo), "127.0.1.4": try place("127.9.9.9", ports.web),
            "127.0.1.5": try place("127.0.0.1", 1),
        ]
    }

    /// What `proxy.py` takes.
    func proxyPlaces() throws -> String {
        let places: [String: Any] = [
            "proxy": Int(proxyPort), "to_tls": "127.0.1.1", "to_web": "127.0.1.2", "to_echo": "127.0.1.3",
            "to_closed": "127.0.1.4", "to_nothing": "127.0.1.5", "web": upstream.ports.web, "tls": upstream.ports.tls,
            "certificate": upstream.ports.certificate,
        ]
        return String(decoding: try JSONSerialization.data(withJSONObject: places), as: UTF8.self)
    }

    /// UDP and TCP at one port.
    private static func resolverSockets() throws -> (Int32, Int32, UInt16) {
        while true {
            let (udp, port) = try socket(SOCK_DGRAM, "127.0.0.1", 0)
            if let (tcp, _) = try? socket(SOCK_STREAM, "127.0.0.1", port) { return (udp, tcp, port) }
            close(udp)
        }
    }

    private static func socket(_ type: __socket_type, _ host: String, _ port: UInt16) throws -> (Int32, UInt16) {
        let descriptor = Glibc.socket(AF_INET, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, host, &address.sin_addr)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                let status = bind(descriptor, pointer, length)
                return status == 0 ? getsockname(descriptor, pointer, &length) : status
            }
        }
        guard status == 0, type == SOCK_DGRAM || listen(descriptor, 256) == 0 else {
            close(descriptor)
            throw CocoaError(.fileReadUnknown)
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }
}
