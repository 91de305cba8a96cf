/// What becomes of a question.
package enum QuestionVerdict: Hashable, Sendable {
    /// Asked as it is.
    case forward
    /// Asked for addresses, which are opened.
    case addresses(String)
    /// Answered with nothing: the name is permitted, and has no such record as far as we tell.
    case nothing
    case refuse(String)

    /// - Parameter budget: what the sandbox has used of names so far.
    package static func judge(
        _ question: DNSQuestion, under rule: NameRule, _ budget: inout NameBudget
    ) -> QuestionVerdict {
        guard question.recordClass == DNSRecord.internet else { return .refuse("only class IN is resolved") }
        guard !question.type.isMeta else { return .refuse("type \(question.type) isn't resolved") }
        switch rule {
        case .all: return .forward
        case .none(let reason): return .refuse(reason)
        case .listed(let matcher, _): return judge(question, listedIn: matcher, &budget)
        }
    }

    private static func judge(
        _ question: DNSQuestion, listedIn matcher: DomainMatcher, _ budget: inout NameBudget
    ) -> QuestionVerdict {
        let name = question.name.folded.description
        guard HostName.normalize(name.utf8) == name else { return .refuse("a name with odd characters") }
        guard let match = matcher.match(name) else { return .refuse("not in domain_allowlist") }
        switch question.type {
        case .a, .aaaa: break
        // Other hosts' names, and keys that hide the name from the proxy, stand in these. Clients do without.
        case .https, .svcb: return .nothing
        default: return .refuse("type \(question.type) isn't resolved under domain_allowlist")
        }
        if case .parent(let parent, let below) = match,
            let reason = budget.refusal(of: name, below: below, parent: parent)
        {
            return .refuse(reason)
        }
        return .addresses(name)
    }
}
