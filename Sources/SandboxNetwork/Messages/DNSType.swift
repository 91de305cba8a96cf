/// A record's type, as IANA numbers them.
package struct DNSType: Hashable, Sendable {
    package let number: UInt16

    package init(_ number: UInt16) { self.number = number }

    package static let a = DNSType(1)
    package static let ns = DNSType(2)
    package static let cname = DNSType(5)
    package static let soa = DNSType(6)
    package static let ptr = DNSType(12)
    package static let mx = DNSType(15)
    package static let txt = DNSType(16)
    package static let aaaa = DNSType(28)
    package static let srv = DNSType(33)
    package static let dname = DNSType(39)
    package static let opt = DNSType(41)
    package static let svcb = DNSType(64)
    package static let https = DNSType(65)
    package static let any = DNSType(255)

    /// Types that only stand in questions, or about messages: TKEY to ANY without a meaning for those
    /// who only look names up (transfers, MAILA, …).
    var isMeta: Bool { (128...255).contains(number) || self == .opt }
}

extension DNSType: CustomStringConvertible {
    package var description: String {
        switch self {
        case .a: "A"
        case .ns: "NS"
        case .cname: "CNAME"
        case .soa: "SOA"
        case .ptr: "PTR"
        case .mx: "MX"
        case .txt: "TXT"
        case .aaaa: "AAAA"
        case .srv: "SRV"
        case .svcb: "SVCB"
        case .https: "HTTPS"
        case .any: "ANY"
        default: "TYPE\(number)"
        }
    }
}

/// A response code; extended ones (above 15) need an OPT record.
package struct DNSCode: Hashable, Sendable {
    package let number: UInt16

    package init(_ number: UInt16) { self.number = number }

    package static let noError = DNSCode(0)
    package static let formError = DNSCode(1)
    package static let serverFailure = DNSCode(2)
    package static let noSuchName = DNSCode(3)
    package static let notImplemented = DNSCode(4)
    package static let refused = DNSCode(5)
    package static let badVersion = DNSCode(16)
}
