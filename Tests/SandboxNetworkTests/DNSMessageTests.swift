import SandboxNetwork
import Testing

@Suite("DNS messages")
struct DNSMessageTests {
    private func name(_ text: String) throws -> DNSName { try #require(DNSName(text)) }

    /// A header with so many of each section.
    private func header(_ counts: [UInt16], flags: UInt16 = 0x8180) -> [UInt8] {
        ([0x1234, flags] + counts).flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
    }

    @Test("what was written is read again as it was")
    func roundTrip() throws {
        var message = DNSMessage(id: 7)
        message.isResponse = true
        message.recursionDesired = true
        message.code = .noSuchName
        message.questions = [DNSQuestion(name: try name("www.example.com"), type: .a)]
        message.answers = [
            DNSRecord(
                name: try name("www.example.com"), type: .cname, seconds: 60, data: try name("a.example.com").wire),
            DNSRecord(name: try name("a.example.com"), type: .a, seconds: 60, data: [192, 0, 2, 1]),
        ]
        message.options = DNSOptions(payloadSize: 1232, wantsSignatures: true)
        let bytes = message.serialized()
        #expect(try DNSMessage(parsing: bytes) == message)
        // Each name but the first is a pointer, or ends in one.
        #expect(bytes.count == 12 + 21 + (2 + 10 + 4) + (2 + 10 + 4) + 11)
    }

    @Test("an extended code and error are written with the OPT record")
    func extended() throws {
        var message = DNSMessage(id: 1)
        message.code = .badVersion
        message.options = DNSOptions(payloadSize: 512)
        message.options?.fault = .prohibited("no")
        let read = try DNSMessage(parsing: message.serialized())
        #expect(read.code == .badVersion)
        #expect(message.serialized().suffix(8) == [0, 15, 0, 4, 0, 18, 110, 111])
    }

    @Test("a message beyond the limit loses its records and says so")
    func truncation() throws {
        var message = DNSMessage(id: 1)
        message.questions = [DNSQuestion(name: try name("example.com"), type: .a)]
        message.answers = (0..<100).map {
            DNSRecord(name: message.questions[0].name, type: .a, seconds: 1, data: [10, 0, 0, $0])
        }
        let read = try DNSMessage(parsing: message.serialized(limit: 512))
        #expect(read.isTruncated && read.answers.isEmpty)
        #expect(try DNSMessage(parsing: message.serialized(limit: 1800)).answers.count == 100)
    }

    @Test(
        "names that go in circles, forward, or nowhere are refused",
        arguments: [
            ([0xc0, 12], DNSFault.pointer), ([0xc0, 14, 0xc0, 12], .pointer), ([1, 97, 0xc0, 12], .pointer),
            ([0xc0, 0], .pointer), ([0xff, 0xff], .pointer), ([0x40, 1], .labelKind), ([0x80, 1], .labelKind),
            ([63, 97], .truncated), ([1, 97], .truncated), ([0xc0], .truncated), ([], .truncated),
        ] as [([UInt8], DNSFault)])
    func hostileNames(_ bytes: [UInt8], _ fault: DNSFault) {
        #expect(throws: fault) { try DNSMessage(parsing: header([1, 0, 0, 0]) + bytes) }
    }

    @Test("a name of more than 255 bytes is refused, also one put together by pointers")
    func longNames() {
        let label: [UInt8] = [63] + [UInt8](repeating: 97, count: 63)
        let question = label + label + label + [0, 0, 1, 0, 1]
        #expect(throws: Never.self) { try DNSMessage(parsing: header([1, 0, 0, 0]) + question) }
        #expect(throws: DNSFault.nameLength) {
            try DNSMessage(parsing: header([2, 0, 0, 0]) + question + label + [0xc0, 12, 0, 1, 0, 1])
        }
    }

    @Test("counts that lie, bytes behind the end, and data of another length are refused")
    func shape() {
        let question: [UInt8] = [1, 97, 0, 0, 1, 0, 1]
        #expect(throws: DNSFault.truncated) { try DNSMessage(parsing: header([2, 0, 0, 0]) + question) }
        #expect(throws: DNSFault.trailingBytes) { try DNSMessage(parsing: header([1, 0, 0, 0]) + question + [0]) }
        #expect(throws: DNSFault.size) { try DNSMessage(parsing: header([1, 0xffff, 0, 0]) + question) }
        let short: [UInt8] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 3, 1, 2, 3]
        #expect(throws: DNSFault.self) { try DNSMessage(parsing: header([1, 1, 0, 0]) + question + short) }
        let long: [UInt8] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 5, 1, 2, 3, 4, 5]
        #expect(throws: DNSFault.data) { try DNSMessage(parsing: header([1, 1, 0, 0]) + question + long) }
        let options: [UInt8] = [0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0]
        #expect(throws: DNSFault.options) {
            try DNSMessage(parsing: header([1, 0, 0, 2]) + question + options + options)
        }
        #expect(throws: DNSFault.options) { try DNSMessage(parsing: header([1, 1, 0, 0]) + question + options) }
    }

    @Test("pointers can't blow a message up")
    func expansion() {
        let label: [UInt8] = [63] + [UInt8](repeating: 97, count: 63)
        let long = label + label + label + [0]
        // Records of 14 bytes, each with two names of 193 behind pointers.
        let record: [UInt8] = [0xc0, 12, 0, 14, 0, 1, 0, 0, 0, 9, 0, 4, 0xc0, 12, 0xc0, 12]
        let bytes =
            header([1, 1000, 0, 0]) + long + [0, 1, 0, 1] + [[UInt8]](repeating: record, count: 1000).flatMap { $0 }
        #expect(throws: DNSFault.size) { try DNSMessage(parsing: bytes) }
    }

    @Test("whatever bytes come, reading ends, and what is read is written and read again alike")
    func noise() throws {
        var generator = SplitMix(state: 5)
        var seed = DNSMessage(id: 1)
        seed.isResponse = true
        seed.questions = [DNSQuestion(name: try name("www.example.com"), type: .mx)]
        seed.answers = [
            DNSRecord(
                name: try name("www.example.com"), type: .cname, seconds: 6, data: try name("m.example.com").wire),
            DNSRecord(
                name: try name("m.example.com"), type: .mx, seconds: 6, data: [0, 1] + (try name("x.example.com").wire)),
            DNSRecord(name: try name("m.example.com"), type: .txt, seconds: 6, data: [3, 97, 98, 99]),
        ]
        seed.options = DNSOptions(payloadSize: 1232)
        let honest = seed.serialized()
        var taken = 0
        for round in 0..<60_000 {
            var bytes = honest
            if round % 4 == 0 {
                bytes = (0..<Int.random(in: 0...80, using: &generator)).map { _ in
                    .random(in: 0...255, using: &generator)
                }
            } else {
                for _ in 0...Int.random(in: 0...3, using: &generator) {
                    bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
                }
                if round % 4 == 1 { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
            }
            guard let message = try? DNSMessage(parsing: bytes) else { continue }
            taken += 1
            var again = try DNSMessage(parsing: message.serialized())
            // Only a response's OPT carries codes above 15 and errors.
            again.options?.fault = message.options?.fault
            again.options?.version = message.options?.version ?? 0
            #expect(again.answers == message.answers && again.questions == message.questions)
        }
        #expect(taken > 1000)
    }

    @Test("bytes in names that aren't letters, digits, - or _ are escaped in texts")
    func escapes() {
        let bytes: [UInt8] = header([1, 0, 0, 0]) + [3, 97, 46, 10, 2, 98, 42, 0, 0, 1, 0, 1]
        #expect((try? DNSMessage(parsing: bytes))?.questions[0].name.description == "a\\046\\010.b*")
    }
}

/// Random numbers that are the same in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }
}
