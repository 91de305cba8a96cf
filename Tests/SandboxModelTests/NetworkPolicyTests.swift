import SandboxModel
import Testing

@Suite("Network policies")
struct NetworkPolicyTests {
    @Test(
        "an address has one spelling that everybody reads alike",
        arguments: [
            ("1.2.3.4", "1.2.3.4"), ("::", "::"), ("::1", "::1"), ("2001:DB8::1", "2001:db8::1"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("::ffff:1.2.3.4", "::ffff:102:304"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1::", "1::"), ("fe80::a:0:0:0", "fe80::a:0:0:0"),
        ])
    func addresses(text: String, shown: String) {
        #expect(IPAddress(text)?.description == shown)
        #expect(IPAddress(bytes: IPAddress(text)?.bytes ?? []) == IPAddress(text))
    }

    @Test(
        "what libraries would read as an address, each in its own way, is none",
        arguments: [
            "", "1.2.3", "1.2.3.4.5", "01.2.3.4", "0x1.2.3.4", "1.2.3.256", "16909060", "1.2.3.-4", " 1.2.3.4",
            "1.2.3.4 ",
            "1.2.3.٤", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::1%lo", "::+1", "::-0",
            "[::1]",
            "1:2:3:4:5:6:7::8:9", "::1.2.3", "1.2.3.4::", "g::", ":1::", "1:2:3:4:5:6:7:", "::ffff:1.2.3.4:5",
        ])
    func noAddresses(text: String) { #expect(IPAddress(text) == nil) }

    @Test("a range holds what begins with its prefix")
    func ranges() throws {
        let range = try #require(AddressRange("10.1.0.0/16"))
        #expect(range.contains(try #require(IPAddress("10.1.255.255"))))
        #expect(!range.contains(try #require(IPAddress("10.2.0.0"))))
        #expect(!range.contains(try #require(IPAddress("::a01:0"))))
        #expect(try #require(AddressRange("::/0")).contains(try #require(IPAddress("ff::"))))
        #expect(range.overlaps(try #require(AddressRange("10.0.0.0/8"))))
        for text in ["10.1.2.3/16", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/", "/8", "10/8", "::/129", "::1/64", "a/8"]
        {
            #expect(AddressRange(text) == nil, "\(text)")
        }
    }

    @Test("a list is a list, also an empty one, and goes with no block")
    func fields() throws {
        #expect(try NetworkPolicy(block: nil, ranges: nil, domains: nil) == nil)
        #expect(try NetworkPolicy(block: true, ranges: nil, domains: nil) == .blocked)
        #expect(try NetworkPolicy(block: false, ranges: nil, domains: nil) == .open)
        let empty = try #require(try NetworkPolicy(block: false, ranges: [], domains: nil))
        guard case .allowlist(let list) = empty else {
            Issue.record("an empty list is no list")
            return
        }
        #expect(list.isEmpty)
        #expect(throws: CordonError.self) { try NetworkPolicy(block: true, ranges: [], domains: nil) }
        #expect(throws: CordonError.self) { try NetworkPolicy(block: true, ranges: nil, domains: ["a.example"]) }
    }

    @Test(
        "a range that can never be reached is refused by name",
        arguments: [
            "127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "::ffff:8.8.8.8", "64:ff9b::/96", "224.0.0.1", "x",
        ])
    func neverReached(text: String) {
        let error = #expect(throws: CordonError.self) {
            try NetworkPolicy(block: nil, ranges: ["8.8.8.8", text], domains: nil)
        }
        #expect(error?.field == "cidr_allowlist[1]")
        #expect(error?.value == text)
    }

    @Test("an address is judged by what it stands for")
    func rules() throws {
        func rule(_ text: String) throws -> String? { ClosedRanges.rule(for: try #require(IPAddress(text))) }
        #expect(try rule("8.8.8.8") == nil)
        #expect(try rule("::ffff:169.254.169.254") == "metadata")
        #expect(try rule("10.0.0.1") == "private")
        #expect(try rule("fd12::1") == "private")
        #expect(try rule("2606:4700::1") == nil)
        #expect(
            ClosedRanges.rule(for: try #require(IPAddress("10.0.0.1")), opened: [AddressRange(literal: "10.0.0.0/24")])
                == nil)
    }
}
