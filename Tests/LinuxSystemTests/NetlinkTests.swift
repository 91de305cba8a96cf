import CLinux
import Glibc
import LinuxSystem
import Testing

@Suite("rtnetlink")
struct NetlinkTests {
    @Test("a pair, addresses and routes are there at once, and a packet goes through")
    func pair() throws {
        let (answer, routes) = try inOwnNetwork {
            let home = try NetworkNamespace.current()
            let other = try NetworkNamespace.make(from: home)
            let (here, there) = (InternetAddress([10, 7, 0, 1]), InternetAddress([10, 7, 0, 2]))
            let socket = try NetlinkSocket(NETLINK_ROUTE)
            try socket.perform(
                [
                    RouteRequests.makePair(
                        .init(name: "a", index: 100), .init(name: "b", index: 64), in: other.raw,
                        hardware: [2, 0, 0, 0, 0, 1], mtu: 1400),
                    RouteRequests.addAddress(here, to: 100),
                    RouteRequests.addRoute(to: there, on: 100, family: there),
                ], "pair")
            let inside = try other.run(from: home) { () throws(SystemCallError) in try NetlinkSocket(NETLINK_ROUTE) }
            try inside.perform(
                [
                    RouteRequests.setLink(64, up: true), RouteRequests.addAddress(there, to: 64),
                    RouteRequests.addRoute(via: here, on: 64, family: here),
                ], "other end")
            #expect(try inside.links().contains { $0.name == "b" && $0.index == 64 && $0.mtu == 1400 })
            #expect(try inside.addresses().contains { $0.address == there })
            // Nobody listens, which the other end says.
            let ask = "import socket; s = socket.socket(2, 2); s.settimeout(5); s.connect((\"10.7.0.2\", 9)); "
            let answer = try said("/usr/bin/python3 -c '\(ask)s.send(b\"x\"); s.recv(1)'")
            return (answer, try inside.routes(v6: false))
        }
        #expect(answer.contains("ConnectionRefusedError"), "\(answer)")
        #expect(routes.contains { $0.destination == nil && $0.interface == 64 })
    }

    @Test("what isn't whole or isn't netlink is cut off, and nothing beyond it is read")
    func hostileBytes() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...120, using: &generator)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            // Lengths that could be true lead further in.
            if count > 20, Bool.random() { (bytes[0], bytes[1], bytes[2], bytes[3]) = (UInt8(count), 0, 0, 0) }
            for answer in NetlinkAnswer.messages(in: bytes[...]) ?? [] {
                for (_, value) in answer.attributes(after: 4) {
                    #expect(value.count <= bytes.count)
                    for _ in NetlinkAttributes(value) {}
                }
            }
            _ = NetfilterLog.packets(in: bytes[...])
        }
    }

    @Test("a packet's head tells where it goes, however it is cut")
    func packets() {
        let v4: [UInt8] = [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 1, 2, 3, 4, 0x12, 0x34, 0x01, 0xbb]
        let v6: [UInt8] =
            [0x60, 0, 0, 0, 0, 16, 0, 64] + [UInt8](repeating: 1, count: 16) + [UInt8](repeating: 2, count: 16)
            + [17, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 53]
        #expect(logged(v4)?.port == 443)
        #expect(logged(v4)?.destination == InternetAddress([1, 2, 3, 4]))
        #expect(logged(v6)?.port == 53)
        #expect(logged(v6)?.transport == 17)
        var fragment = v4
        fragment[7] = 8
        #expect(logged(fragment)?.port == nil)
        for length in 0..<v4.count { _ = logged(Array(v4[..<length])) }
        for length in 0..<v6.count { _ = logged(Array(v6[..<length])) }
        #expect(logged(Array(v4[..<19])) == nil)
        #expect(logged([0x4f] + v4.dropFirst())?.port == nil)
    }

    private func logged(_ packet: [UInt8]) -> NetfilterLog.Packet? {
        func native<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
        func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
            let bytes = native(UInt16(value.count + 4)) + native(type) + value
            return bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
        }
        let body =
            [0, 0, 0, 1] + attribute(4, [0, 0, 4, 7]) + attribute(10, Array("rule".utf8) + [0]) + attribute(9, packet)
        let type = UInt16(NFNL_SUBSYS_ULOG) << 8 | UInt16(NFULNL_MSG_PACKET.rawValue)
        let message = native(UInt32(body.count + 16)) + native(type) + [0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + body
        let packets = NetfilterLog.packets(in: message[...])
        #expect(packets.allSatisfy { $0.prefix == "rule" && $0.interface == 1031 })
        return packets.first
    }

    @Test("connections that an address began are forgotten, others stay")
    func conntrack() throws {
        let (before, after) = try inOwnNetwork {
            let socket = try NetlinkSocket(NETLINK_ROUTE)
            try socket.perform([RouteRequests.setLink(1, up: true)], "lo")
            let filter = try NetlinkSocket(NETLINK_NETFILTER)
            var table = NetfilterTransaction("track")
            table.makeTable()
            table.makeChain("out", at: .init(.output, priority: 0))
            table.addRule(to: "out", NetfilterMatch.isNew + [.counter])
            try table.commit(on: filter, "track")
            func send(from source: String) throws {
                let raw = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
                let owned = Descriptor(owning: raw)
                var from = sockaddr_in()
                from.sin_family = sa_family_t(AF_INET)
                inet_pton(AF_INET, source, &from.sin_addr)
                var to = from
                inet_pton(AF_INET, "127.0.0.9", &to.sin_addr)
                to.sin_port = in_port_t(9).bigEndian
                let size = socklen_t(MemoryLayout<sockaddr_in>.size)
                withUnsafePointer(to: &from) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = bind(owned.raw, $0, size) }
                }
                withUnsafePointer(to: &to) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = sendto(owned.raw, "x", 1, 0, $0, size) }
                }
            }
            try send(from: "127.0.0.3")
            try send(from: "127.0.0.4")
            func sources() throws -> Set<String> {
                let text = try said("/bin/cat /proc/net/nf_conntrack")
                return Set(["127.0.0.3", "127.0.0.4"].filter { text.contains("src=\($0) ") })
            }
            let before = try sources()
            try Conntrack.forget(from: [InternetAddress([127, 0, 0, 3])], on: filter)
            return (before, try sources())
        }
        #expect(before == ["127.0.0.3", "127.0.0.4"])
        #expect(after == ["127.0.0.4"])
    }
}
