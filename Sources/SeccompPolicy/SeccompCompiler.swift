/// Turns checked verdicts into one BPF program, laid out so that every jump goes forward:
///
/// 1. Another architecture's table → ENOSYS.
/// 2. A number above the newest known → ENOSYS. x32 calls, which carry bit 30, are among them.
/// 3. The tree of everything decided by the number alone, default action included (``NumberTree``).
/// 4. The argument tests, system call after system call, which the tree jumps to.
///
/// libseccomp only gives the numbers of calls. It can't say what profiles need: "allow ioctl except TIOCSTI, judged by
/// the low 32 bits" (it has no masked not-equal, refuses rules that repeat the default action, and drops conditional
/// rules of a call that also has an unconditional one), and its trees hold every call for itself. Parts 1 to 3 use only
/// what the kernel's `seccomp_is_const_allow` can follow, so that calls always allowed are decided by its bitmap
/// without running BPF.
struct SeccompCompiler {
    let profile: SeccompProfile

    private var conditional: [(number: SystemCallNumber, verdicts: SystemCallVerdicts)] {
        profile.verdicts.filter { !$0.value.tests.isEmpty }
            .sorted { $0.key < $1.key }
            .map { ($0.key, $0.value) }
    }

    func compile() throws(SeccompPolicyError) -> SeccompProgram {
        let front: [BPFInstruction] = [
            .load(.architecture),
            .jump(if: .equal, NativeArchitecture.audit, then: 1),
            .giveVerdict(.noSuchSystemCall),
            .load(.systemCallNumber),
            .jump(if: .greater, SystemCallNumber.newest, else: 1),
            .giveVerdict(.noSuchSystemCall),
        ]
        let conditional = conditional
        let chains = conditional.map { argumentChain($0.verdicts) }
        let tree = numberTree(conditional.map(\.number))
        var bytes: [UInt8] = []
        for instruction in front + tree.instructions(followedBy: chains) { instruction.append(to: &bytes) }

        let count = bytes.count / BPFInstruction.size
        guard count <= SeccompProgram.maximumInstructionCount else {
            throw SeccompPolicyError(
                profile: profile.name, at: .start,
                "the profile compiles to \(count) instructions; the kernel takes "
                    + "\(SeccompProgram.maximumInstructionCount)")
        }
        return SeccompProgram(bytes: bytes)
    }

    private func argumentChain(_ verdicts: SystemCallVerdicts) -> [BPFInstruction] {
        var chain: [BPFInstruction] = []
        for test in verdicts.tests {
            chain += ArgumentTestCode(test.comparisons).instructions(verdict: test.action)
        }
        chain.append(.giveVerdict(verdicts.otherwise ?? profile.defaultAction))
        return chain
    }

    private func numberTree(_ conditional: [SystemCallNumber]) -> NumberTree {
        var outcomes: [SystemCallNumber: NumberTree.Outcome] = [:]
        for (number, verdicts) in profile.verdicts {
            outcomes[number] = verdicts.otherwise.map { .verdict($0) }
        }
        for (index, number) in conditional.enumerated() { outcomes[number] = .chain(index) }
        return NumberTree(
            outcomes, newest: SystemCallNumber.newest, otherwise: .verdict(profile.defaultAction))
    }
}
