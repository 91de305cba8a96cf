/// What sandboxes don't reach: the one list that checks of requests and rules of the kernel are made from.
public enum ClosedRanges {
    /// Closed whatever policy and configuration say, with the name of the rule.
    public static let always: [(range: AddressRange, rule: String)] = [
        (AddressRange(literal: "0.0.0.0/8"), "this network"),
        (AddressRange(literal: "127.0.0.0/8"), "loopback"),
        (AddressRange(literal: "169.254.0.0/16"), "metadata"),
        (AddressRange(literal: "100.100.100.200/32"), "metadata"),
        (AddressRange(literal: "168.63.129.16/32"), "metadata"),
        (AddressRange(literal: "192.0.0.192/32"), "metadata"),
        (AddressRange(literal: "224.0.0.0/4"), "multicast"),
        (AddressRange(literal: "240.0.0.0/4"), "reserved"),
        // Addresses that hold an IPv4 address, which nobody here would judge: NAT64, 6to4, Teredo.
        (AddressRange(literal: "64:ff9b::/32"), "translated"),
        (AddressRange(literal: "2001::/32"), "translated"),
        (AddressRange(literal: "2002::/16"), "translated"),
        (AddressRange(literal: "::/8"), "reserved"),
        (AddressRange(literal: "fd00:ec2::254/128"), "metadata"),
        (AddressRange(literal: "fd20:ce::254/128"), "metadata"),
        (AddressRange(literal: "fe80::/10"), "link-local"),
        (AddressRange(literal: "fec0::/10"), "reserved"),
        (AddressRange(literal: "ff00::/8"), "multicast"),
    ]

    /// Closed unless the service's configuration opens a part of them.
    public static let privately: [AddressRange] = [
        AddressRange(literal: "10.0.0.0/8"), AddressRange(literal: "100.64.0.0/10"),
        AddressRange(literal: "172.16.0.0/12"), AddressRange(literal: "192.0.0.0/24"),
        AddressRange(literal: "192.168.0.0/16"), AddressRange(literal: "198.18.0.0/15"),
        AddressRange(literal: "fc00::/7"),
    ]

    /// Why an address is out of reach; nil when it isn't, as far as this list goes.
    public static func rule(for address: IPAddress, opened: [AddressRange] = []) -> String? {
        let address = address.unmapped
        for (range, rule) in always where range.contains(address) { return rule }
        guard privately.contains(where: { $0.contains(address) }), !opened.contains(where: { $0.contains(address) })
        else { return nil }
        return "private"
    }
}
