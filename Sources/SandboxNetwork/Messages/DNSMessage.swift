/// A DNS message (RFC 1035, 4.1) with its OPT record taken apart.
package struct DNSMessage: Hashable, Sendable {
    package var id: UInt16
    package var isResponse = false
    package var opcode: UInt8 = 0
    package var isAuthoritative = false
    package var isTruncated = false
    package var recursionDesired = false
    package var recursionAvailable = false
    /// The AD bit (RFC 4035, 3.2.3).
    package var isAuthentic = false
    /// The CD bit (RFC 4035, 3.2.2).
    package var checkingDisabled = false
    /// All twelve bits, when there is an OPT record.
    package var code = DNSCode.noError
    package var questions: [DNSQuestion] = []
    package var answers: [DNSRecord] = []
    package var authorities: [DNSRecord] = []
    /// Without the OPT record.
    package var additionals: [DNSRecord] = []
    /// nil without EDNS.
    package var options: DNSOptions?

    package init(id: UInt16) { self.id = id }
}

/// What is asked.
package struct DNSQuestion: Hashable, Sendable {
    package var name: DNSName
    package var type: DNSType
    package var recordClass: UInt16

    package init(name: DNSName, type: DNSType, recordClass: UInt16 = DNSRecord.internet) {
        self.name = name
        self.type = type
        self.recordClass = recordClass
    }
}

/// One resource record. `data` has its names written out.
package struct DNSRecord: Hashable, Sendable {
    /// The class IN.
    package static let internet: UInt16 = 1

    package var name: DNSName
    package var type: DNSType
    package var recordClass: UInt16
    package var seconds: UInt32
    package var data: [UInt8]

    package init(
        name: DNSName, type: DNSType, recordClass: UInt16 = DNSRecord.internet, seconds: UInt32, data: [UInt8]
    ) {
        self.name = name
        self.type = type
        self.recordClass = recordClass
        self.seconds = seconds
        self.data = data
    }
}

/// EDNS (RFC 6891), as far as we speak it.
package struct DNSOptions: Hashable, Sendable {
    package var payloadSize: UInt16
    package var version: UInt8 = 0
    /// The DO bit: DNSSEC's records are wanted.
    package var wantsSignatures = false
    /// An extended error (RFC 8914) to tell; what is read of others is dropped.
    package var fault: ExtendedFault?

    package init(payloadSize: UInt16, wantsSignatures: Bool = false) {
        self.payloadSize = payloadSize
        self.wantsSignatures = wantsSignatures
    }

    /// Why an answer is none, for people: `dig` shows it.
    package struct ExtendedFault: Hashable, Sendable {
        package var number: UInt16
        package var text: String

        package static func blocked(_ text: String) -> ExtendedFault { ExtendedFault(number: 15, text: text) }
        package static func prohibited(_ text: String) -> ExtendedFault { ExtendedFault(number: 18, text: text) }
        package static func noReachableAuthority(_ text: String) -> ExtendedFault {
            ExtendedFault(number: 22, text: text)
        }
    }
}
