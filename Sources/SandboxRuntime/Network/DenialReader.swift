import CLinux
import Glibc
import LinuxSystem
import SandboxModel
import ShimProtocol
import Synchronization

/// Reads what the router logs of packets that it refused. Lives on one thread.
final class DenialReader {
    private static let pause = Duration.seconds(1)

    private let loop: EventLoop
    private let source: RouterSocketSource
    private let book: DenialBook
    /// Whose end of a pair an interface of the router's is.
    private let owner: (UInt32) -> SandboxID?
    private var socket: Descriptor?
    private var timer: Int?
    private var buffer = [UInt8](repeating: 0, count: 64 * 1024)

    init(
        loop: EventLoop, source: RouterSocketSource, book: DenialBook, owner: @escaping (UInt32) -> SandboxID?
    ) {
        self.loop = loop
        self.source = source
        self.book = book
        self.owner = owner
    }

    /// Takes a new socket: the launcher is another one, and so may the router be.
    func renew() {
        loop.cancel(timer)
        timer = nil
        if let raw = socket?.raw { loop.unwatch(raw) }
        // The log has one listener.
        socket = nil
        do {
            let opened = try source.open(.denials)
            let raw = opened.raw
            _ = cordon_set_nonblocking(raw)
            socket = consume opened
            try loop.watch(raw, for: .readable) { [unowned self] _ in self.read() }
        } catch let error as CordonError where error.code == .failedPrecondition {
            // There is no network, and there won't be one before the launcher is another.
        } catch {
            timer = loop.schedule(after: Self.pause) { [unowned self] in self.renew() }
        }
    }

    private func read() {
        guard let raw = socket?.raw else { return }
        // Others have their turn; what the kernel can't keep meanwhile it drops.
        for _ in 0..<64 {
            let count = cordon_netlink_receive(raw, &buffer, buffer.count, false)
            guard count > 0 else {
                if count < 0, errno == ENOBUFS || errno == ENOMSG || errno == EMSGSIZE { continue }
                return
            }
            for packet in NetfilterLog.packets(in: buffer[..<count]) { note(packet) }
        }
    }

    private func note(_ packet: NetfilterLog.Packet) {
        // Not by the packet's source, which may be a lie, and a neighbour's.
        guard let id = owner(packet.interface), let address = IPAddress(bytes: packet.destination.bytes)
        else { return }
        let transport =
            switch packet.transport {
            case 6: "tcp"
            case 17: "udp"
            case 1, 58: "icmp"
            default: "protocol \(packet.transport)"
            }
        let rule = packet.prefix == "closed" ? ClosedRanges.rule(for: address) ?? packet.prefix : packet.prefix
        book.note(NetworkDenial(transport: transport, address: address, port: packet.port, rule: rule), of: id)
    }
}

/// Whose an interface of the router's is, for one who is made before the answer can be.
final class OwnerLookup: Sendable {
    private let lookup = Mutex<@Sendable (UInt32) -> SandboxID?>({ _ in nil })

    func set(_ lookup: @escaping @Sendable (UInt32) -> SandboxID?) { self.lookup.withLock { $0 = lookup } }
    func find(_ interface: UInt32) -> SandboxID? { lookup.withLock { $0 }(interface) }
}
