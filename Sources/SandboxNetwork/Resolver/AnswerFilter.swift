import SandboxModel

/// Takes from an upstream's answer what answers the question, and nothing else: records that somebody
/// put beside it (RFC 5452, 6) go no further.
package struct AnswerFilter {
    /// The answer section: the chain of CNAME records from the name that was asked for, in order, and the
    /// records at its end.
    package private(set) var records: [DNSRecord] = []
    /// SOA (and, if wanted, what proves that there is nothing).
    package private(set) var authorities: [DNSRecord] = []
    /// Where the chain ends.
    package private(set) var target: DNSName

    private static let longestChain = 16

    package init(_ answer: DNSMessage, to question: DNSQuestion, wantsSignatures: Bool) {
        target = question.name.folded
        var seen: Set<DNSName> = [target]
        let records = answer.answers.filter { $0.recordClass == DNSRecord.internet }
        while question.type != .cname, seen.count <= Self.longestChain,
            let link = records.first(where: { $0.type == .cname && $0.name.folded == target })
        {
            let next = DNSName(unchecked: link.data).folded
            guard seen.insert(next).inserted else { break }
            self.records.append(link)
            target = next
        }
        for record in records {
            if record.type == question.type {
                if record.name.folded == target { self.records.append(record) }
            } else if wantsSignatures, record.type.isSignature || record.type == .dname {
                if seen.contains(record.name.folded) || record.type == .dname { self.records.append(record) }
            }
        }
        authorities = answer.authorities.filter {
            $0.recordClass == DNSRecord.internet
                && ($0.type == .soa || (wantsSignatures && $0.type.isProof))
        }
    }

    /// Of the records at the chain's end, those of a type.
    package func found(_ type: DNSType) -> [DNSRecord] {
        records.filter { $0.type == type && $0.name.folded == target }
    }

    /// Whether the upstream followed the chain to its end, and said so if there is nothing.
    func isComplete(_ answer: DNSMessage, _ type: DNSType) -> Bool {
        !found(type).isEmpty || answer.code == .noSuchName || !authorities.isEmpty || records.isEmpty
    }
}

extension DNSType {
    /// RRSIG.
    fileprivate var isSignature: Bool { number == 46 }
    /// DS, RRSIG, NSEC, NSEC3.
    fileprivate var isProof: Bool { [43, 46, 47, 50].contains(number) }
}

extension DNSRecord {
    /// The address in an A or AAAA record.
    package var address: IPAddress? {
        guard type == .a || type == .aaaa else { return nil }
        return IPAddress(bytes: data)
    }
}
