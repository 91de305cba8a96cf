import SandboxModel

extension Resolver {
    /// The reply to a question of a sandbox that is known.
    func reply(to form: ReplyForm, of id: SandboxID) async -> DNSMessage {
        let question = form.question
        guard var client = clients[id] else { return form.reply(.serverFailure) }
        let verdict = QuestionVerdict.judge(question, under: client.rule, &client.budget)
        clients[id]?.budget = client.budget
        do {
            switch verdict {
            case .nothing: return form.reply(.noError)
            case .refuse(let rule): return refuse(form, rule, of: id)
            case .forward: return try await forwarded(form, of: id)
            case .addresses(let name):
                let found = try await resolve(name, form.question, of: id, asked: true)
                return reply(form, found)
            }
        } catch let refusal as NameRefused {
            return refuse(form, refusal.rule, address: refusal.address, of: id)
        } catch let fault as UpstreamFault {
            counters.count(.upstreamFailure)
            return form.reply(.serverFailure, .noReachableAuthority(Self.text(of: fault)))
        } catch {
            counters.count(.openingFailure)
            return form.reply(.serverFailure)
        }
    }

    private func refuse(_ form: ReplyForm, _ rule: String, address: IPAddress? = nil, of id: SandboxID) -> DNSMessage {
        counters.count(.refusal)
        deny(id, rule, name: form.question.name, address: address)
        guard let address else { return form.reply(.refused, .prohibited(rule)) }
        return form.reply(.refused, .blocked("\(address): \(rule)"))
    }

    private static func text(of fault: UpstreamFault) -> String {
        switch fault {
        case .noServer: "no resolver is configured"
        case .silent: "no resolver answered in time"
        case .failed: "the resolvers failed"
        }
    }

    /// What upstream says, cleaned: under a policy that judges addresses and not names.
    private func forwarded(_ form: ReplyForm, of id: SandboxID) async throws -> DNSMessage {
        var ask = UpstreamAsk(question: form.question)
        ask.wantsSignatures = form.wantsSignatures
        ask.checkingDisabled = form.query.checkingDisabled
        let answer = try await self.ask(ask, for: id)
        let filter = AnswerFilter(answer, to: form.question, wantsSignatures: form.wantsSignatures)
        let records = try closing(filter.records, of: id, name: form.question.name)
        var reply = form.reply(answer.code)
        // Set for those who say that they know what it means (RFC 6840, 5.7).
        reply.isAuthentic = answer.isAuthentic && (form.query.isAuthentic || form.wantsSignatures)
        reply.answers = records
        reply.authorities = filter.authorities
        return reply
    }

    /// The records without those whose address the floor closes; each is told of. Throws when no address
    /// is left.
    func closing(_ records: [DNSRecord], of id: SandboxID, name: DNSName) throws -> [DNSRecord] {
        var refusal: NameRefused?
        var leftAddress = false
        let left = records.filter { record in
            guard let address = record.address else { return true }
            guard let rule = floor.rule(address) else {
                leftAddress = true
                return true
            }
            refusal = NameRefused(rule: rule, address: address)
            return false
        }
        guard let refusal else { return left }
        guard leftAddress else { throw refusal }
        deny(id, refusal.rule, name: name, address: refusal.address)
        return left
    }

    private func reply(_ form: ReplyForm, _ found: FoundAddresses) -> DNSMessage {
        var reply = form.reply(found.code)
        reply.answers = found.records.map { record in
            var record = record
            record.seconds = min(record.seconds, found.told)
            return record
        }
        reply.authorities = found.authorities
        return reply
    }
}

/// A name that isn't resolved, or an address in its answer that isn't told, and why.
package struct NameRefused: Error, Hashable {
    package var rule: String
    package var address: IPAddress?
}

/// What a permitted name resolves to; its addresses are open.
struct FoundAddresses {
    var code: DNSCode
    /// The CNAME records on the way, and the addresses.
    var records: [DNSRecord]
    var authorities: [DNSRecord]
    /// The longest time to live that a client is told.
    var told: UInt32
}
