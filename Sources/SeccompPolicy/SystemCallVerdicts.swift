/// What becomes of one system call: tests in the order of the file, the first that holds decides, and a last word.
package struct SystemCallVerdicts: Hashable, Sendable {
    /// Comparisons that must all hold, and what the call then comes to.
    package struct Test: Hashable, Sendable {
        package var comparisons: [ArgumentComparison]
        package var action: SeccompAction
    }

    /// In the order of the file.
    package var tests: [Test] = []
    /// The action when no test holds; nil stands for the profile's default.
    package var otherwise: SeccompAction?

    /// Divides the rules in force among the system calls they name.
    ///
    /// A rule after the one that already decides every call of a name would be dead: repeating its action without
    /// arguments is let pass, anything else is refused, for its author believes it to have an effect.
    static func collect(
        _ rules: [SeccompRule], profile: String
    ) throws(SeccompPolicyError) -> [SystemCallNumber: SystemCallVerdicts] {
        var verdicts: [SystemCallNumber: SystemCallVerdicts] = [:]
        var decidedAt: [SystemCallNumber: TextPosition] = [:]
        for rule in rules where rule.isInForce {
            for name in rule.names {
                var verdict = verdicts[name.number] ?? SystemCallVerdicts()
                if let earlier = verdict.otherwise, let place = decidedAt[name.number] {
                    if rule.comparisons.isEmpty && earlier == rule.action { continue }
                    throw SeccompPolicyError(
                        profile: profile, at: name.position,
                        "syscall \"\(name.text)\" has a second rule, \(rule.action), but line \(place.line) already "
                            + "decides every call: \(earlier); the first rule that matches wins")
                }
                if rule.comparisons.isEmpty {
                    verdict.otherwise = rule.action
                    decidedAt[name.number] = name.position
                } else {
                    if let same = verdict.tests.first(where: { $0.comparisons == rule.comparisons }),
                        same.action != rule.action
                    {
                        throw SeccompPolicyError(
                            profile: profile, at: name.position,
                            "syscall \"\(name.text)\" has two rules with the same args but different actions, "
                                + "\(same.action) and \(rule.action)")
                    }
                    verdict.tests.append(Test(comparisons: rule.comparisons, action: rule.action))
                }
                verdicts[name.number] = verdict
            }
        }
        return verdicts
    }
}
