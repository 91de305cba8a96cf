extension DNSMessage {
    /// More records than this in one message are refused.
    private static let maximumRecords = 1024

    /// A whole message and nothing behind it.
    package init(parsing bytes: [UInt8]) throws(DNSFault) {
        var reader = DNSReader(bytes)
        self.init(id: try reader.number16())
        readFlags(try reader.number16())
        let questionCount = Int(try reader.number16())
        let answerCount = Int(try reader.number16())
        let authorityCount = Int(try reader.number16())
        let additionalCount = Int(try reader.number16())
        guard questionCount + answerCount + authorityCount + additionalCount <= Self.maximumRecords else {
            throw .size
        }
        for _ in 0..<questionCount { questions.append(try Self.question(&reader)) }
        for _ in 0..<answerCount { answers.append(try Self.record(&reader)) }
        for _ in 0..<authorityCount { authorities.append(try Self.record(&reader)) }
        for _ in 0..<additionalCount { try readAdditional(&reader) }
        guard reader.atEnd else { throw .trailingBytes }
        guard !(answers + authorities).contains(where: { $0.type == .opt }) else { throw .options }
    }

    private mutating func readFlags(_ flags: UInt16) {
        isResponse = flags & 0x8000 != 0
        opcode = UInt8(flags >> 11 & 0xf)
        isAuthoritative = flags & 0x0400 != 0
        isTruncated = flags & 0x0200 != 0
        recursionDesired = flags & 0x0100 != 0
        recursionAvailable = flags & 0x0080 != 0
        isAuthentic = flags & 0x0020 != 0
        checkingDisabled = flags & 0x0010 != 0
        code = DNSCode(flags & 0xf)
    }

    private static func question(_ reader: inout DNSReader) throws(DNSFault) -> DNSQuestion {
        let name = try reader.name()
        let type = DNSType(try reader.number16())
        return DNSQuestion(name: name, type: type, recordClass: try reader.number16())
    }

    private static func record(_ reader: inout DNSReader) throws(DNSFault) -> DNSRecord {
        let name = try reader.name()
        let type = DNSType(try reader.number16())
        let recordClass = try reader.number16()
        let seconds = try reader.number32()
        let length = Int(try reader.number16())
        let data = try RecordDataForm(type).read(&reader, length: length)
        // RFC 2181, 8: the top bit isn't used; as zero then.
        return DNSRecord(
            name: name, type: type, recordClass: recordClass, seconds: seconds > Int32.max ? 0 : seconds, data: data)
    }

    private mutating func readAdditional(_ reader: inout DNSReader) throws(DNSFault) {
        let record = try Self.record(&reader)
        guard record.type == .opt else { return additionals.append(record) }
        guard options == nil, record.name == .root else { throw .options }
        try Self.checkOptions(record.data)
        // The TTL's place holds other things here; a version with the top bit of the code set reads as zero, above.
        var options = DNSOptions(payloadSize: record.recordClass)
        options.version = UInt8(record.seconds >> 16 & 0xff)
        options.wantsSignatures = record.seconds & 0x8000 != 0
        self.options = options
        code = DNSCode(UInt16(record.seconds >> 24) << 4 | code.number)
    }

    /// Options are pairs of code and length that fill the record.
    private static func checkOptions(_ data: [UInt8]) throws(DNSFault) {
        var at = 0
        while at < data.count {
            guard at + 4 <= data.count else { throw .options }
            at += 4 + (Int(data[at + 2]) << 8 | Int(data[at + 3]))
        }
        guard at == data.count else { throw .options }
    }
}
