import SandboxModel
import Testing

@Suite("Tunnels that are asked for")
struct TunnelSpecTests {
    @Test("are at most 32, each port once")
    func bounds() throws {
        let many = (1...33).map { TunnelPort(port: UInt16($0), kind: .h2) }
        #expect(throws: CordonError.self) { try TunnelSpec(many) }
        #expect(try TunnelSpec(Array(many.dropLast())).ports.count == 32)
        let twice = [TunnelPort(port: 80, kind: .encrypted), TunnelPort(port: 80, kind: .unencrypted)]
        #expect(throws: CordonError.self) { try TunnelSpec(twice) }
    }

    @Test("let in whom the ranges hold, an IPv4-mapped address as what it stands for")
    func inbound() throws {
        let port = [TunnelPort(port: 80, kind: .encrypted)]
        let address = try #require(IPAddress("10.1.2.3"))
        let mapped = try #require(IPAddress("::ffff:10.1.2.3"))
        let other = try #require(IPAddress("192.0.2.1"))
        #expect(try TunnelSpec(port).admits(other))
        let some = try TunnelSpec(port, inbound: [try #require(AddressRange("10.0.0.0/8"))])
        #expect(some.admits(address) && some.admits(mapped) && !some.admits(other))
        #expect(try !TunnelSpec(port, inbound: []).admits(address))
    }
}
