/// One question as it goes to a server, and what counts as its answer.
///
/// Who wants to answer in the server's place, without seeing the question, has to guess its id, its
/// socket's port, and the case of each letter of its name (RFC 5452; draft-vixie-dnsext-dns0x20).
struct UpstreamQuery: Sendable {
    /// What we take over UDP: small enough not to be cut into pieces on its way (RFC 9715).
    static let payloadSize: UInt16 = 1232

    let message: DNSMessage
    var bytes: [UInt8] { message.serialized() }

    init(_ ask: UpstreamAsk, options: Bool) {
        var generator = SystemRandomNumberGenerator()
        var message = DNSMessage(id: .random(in: .min ... .max, using: &generator))
        message.recursionDesired = true
        message.checkingDisabled = ask.checkingDisabled
        var question = ask.question
        question.name = question.name.randomizingCase(using: &generator)
        message.questions = [question]
        if options {
            message.options = DNSOptions(payloadSize: Self.payloadSize, wantsSignatures: ask.wantsSignatures)
        }
        self.message = message
    }

    enum Match {
        /// The answer.
        case answer(DNSMessage)
        /// The answer but for the case of the name: from a server that doesn't keep it, or forged.
        case otherCase(DNSMessage)
        /// Not an answer to this.
        case none
    }

    func match(_ bytes: [UInt8]) -> Match {
        guard let answer = try? DNSMessage(parsing: bytes), answer.id == message.id, answer.isResponse,
            answer.opcode == 0, answer.questions.count <= 1
        else { return .none }
        let question = message.questions[0]
        guard let repeated = answer.questions.first else {
            // Servers that don't understand a query may leave the question out, and say nothing else.
            return answer.code == .noError || !answer.answers.isEmpty ? .none : .answer(answer)
        }
        guard repeated.type == question.type, repeated.recordClass == question.recordClass,
            repeated.name.folded == question.name.folded
        else { return .none }
        return repeated.name == question.name ? .answer(answer) : .otherCase(answer)
    }
}

/// What to ask upstream.
package struct UpstreamAsk: Sendable, Hashable {
    package var question: DNSQuestion
    /// The DO bit.
    package var wantsSignatures = false
    /// The CD bit.
    package var checkingDisabled = false

    package init(question: DNSQuestion) { self.question = question }
}

/// Why there is no answer from upstream.
package enum UpstreamFault: Error, Hashable {
    /// No server is known.
    case noServer
    /// No server answered in time.
    case silent
    /// Servers answered that they can't.
    case failed(DNSCode)
}

/// What asks upstream.
package protocol Upstream: Sendable {
    /// An answer with code NOERROR or NXDOMAIN whose question is the one asked, but for case.
    func ask(_ ask: UpstreamAsk) async throws(UpstreamFault) -> DNSMessage
}
