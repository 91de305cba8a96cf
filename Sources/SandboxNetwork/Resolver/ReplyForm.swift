/// A client's query, and the form that its reply must have.
struct ReplyForm {
    /// What a reply over UDP has at most, whatever the client says it takes.
    private static let maximumPayload: UInt16 = 1232

    let query: DNSMessage
    var question: DNSQuestion { query.questions[0] }
    var wantsSignatures: Bool { query.options?.wantsSignatures ?? false }

    enum Reading {
        case question(ReplyForm)
        /// Not a query that we take: the reply that says so.
        case reply([UInt8])
        /// Not a query at all.
        case ignore
    }

    /// One question and, at most, an OPT record: no query of anybody's has more.
    static func read(_ bytes: [UInt8]) -> Reading {
        guard bytes.count >= 12, bytes[2] & 0x80 == 0 else { return .ignore }
        guard let query = try? DNSMessage(parsing: bytes) else { return .reply(bare(bytes, .formError)) }
        guard query.opcode == 0 else { return .reply(bare(bytes, .notImplemented)) }
        guard query.questions.count == 1, query.answers.isEmpty, query.authorities.isEmpty, query.additionals.isEmpty,
            query.code.number & 0xf == 0
        else { return .reply(bare(bytes, .formError)) }
        let form = ReplyForm(query: query)
        guard query.options?.version ?? 0 == 0 else {
            return .reply(form.serialize(form.reply(.badVersion), over: .udp))
        }
        return .question(form)
    }

    /// A reply for somebody who asks too much, made without reading the question.
    static func refusal(of bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count >= 12, bytes[2] & 0x80 == 0 else { return nil }
        return bare(bytes, .refused)
    }

    private static func bare(_ bytes: [UInt8], _ code: DNSCode) -> [UInt8] {
        var reply = DNSMessage(id: UInt16(bytes[0]) << 8 | UInt16(bytes[1]))
        reply.isResponse = true
        reply.opcode = bytes[2] >> 3 & 0xf
        reply.recursionDesired = bytes[2] & 1 != 0
        reply.recursionAvailable = true
        reply.code = code
        return reply.serialized()
    }

    /// A reply without records; why it has none is told to clients that speak EDNS.
    func reply(_ code: DNSCode, _ fault: DNSOptions.ExtendedFault? = nil) -> DNSMessage {
        var reply = DNSMessage(id: query.id)
        reply.isResponse = true
        reply.recursionDesired = query.recursionDesired
        reply.recursionAvailable = true
        reply.checkingDisabled = query.checkingDisabled
        reply.questions = query.questions
        reply.code = code
        if query.options != nil {
            reply.options = DNSOptions(payloadSize: Self.maximumPayload, wantsSignatures: wantsSignatures)
            reply.options?.fault = fault
        }
        return reply
    }

    func serialize(_ reply: DNSMessage, over transport: Resolver.Transport) -> [UInt8] {
        guard transport == .udp else { return reply.serialized() }
        let wanted = min(max(query.options?.payloadSize ?? 512, 512), Self.maximumPayload)
        return reply.serialized(limit: Int(wanted))
    }
}
