/// Turns checked verdicts into one BPF program, laid out so that every jump goes forward:
///
/// 1. Another architecture's table → ENOSYS.
/// 2. A number above the newest known → ENOSYS. x32 calls, which carry bit 30, are among them.
/// 3. Calls with argument tests → jump to their part behind the tree.
/// 4. The tree that libseccomp makes of everything decided by the number alone, default action included.
/// 5. The argument tests, system call after system call.
///
/// libseccomp gets no argument tests because it can't say what profiles need: "allow ioctl except TIOCSTI, judged by
/// the low 32 bits". It has no masked not-equal, refuses rules that repeat the default action, and drops conditional
/// rules of a call that also has an unconditional one. Parts 1 to 3 use only what the kernel's
/// `seccomp_is_const_allow` can follow, so that calls always allowed are decided by its bitmap without running BPF.
struct SeccompCompiler {
    let profile: SeccompProfile

    private var conditional: [(number: SystemCallNumber, verdicts: SystemCallVerdicts)] {
        profile.verdicts.filter { !$0.value.tests.isEmpty }
            .sorted { $0.key < $1.key }
            .map { ($0.key, $0.value) }
    }

    func compile() throws(SeccompPolicyError) -> SeccompProgram {
        let conditional = conditional
        let tree = try numberTree()
        let chains = conditional.map { argumentChain($0.verdicts) }

        let front: [BPFInstruction] = [
            .load(.architecture),
            .jump(if: .equal, NativeArchitecture.audit, then: 1),
            .giveVerdict(.noSuchSystemCall),
            .load(.systemCallNumber),
            .jump(if: .greater, SystemCallNumber.newest, else: 1),
            .giveVerdict(.noSuchSystemCall),
        ]
        var bytes: [UInt8] = []
        for instruction in front + dispatch(conditional.map(\.number), chains: chains, treeBytes: tree.count) {
            instruction.append(to: &bytes)
        }
        bytes += tree
        for instruction in chains.joined() { instruction.append(to: &bytes) }

        let count = bytes.count / BPFInstruction.size
        guard count <= SeccompProgram.maximumInstructionCount else {
            throw SeccompPolicyError(
                profile: profile.name, at: .start,
                "the profile compiles to \(count) instructions; the kernel takes "
                    + "\(SeccompProgram.maximumInstructionCount)")
        }
        return SeccompProgram(bytes: bytes)
    }

    /// Two instructions for each call, since a conditional jump reaches only 255 instructions far.
    private func dispatch(
        _ numbers: [SystemCallNumber], chains: [[BPFInstruction]], treeBytes: Int
    ) -> [BPFInstruction] {
        var instructions: [BPFInstruction] = []
        var distance = 2 * numbers.count + treeBytes / BPFInstruction.size
        for (number, chain) in zip(numbers, chains) {
            distance -= 2  // from behind this jump to the start of its chain
            instructions.append(.jump(if: .equal, number.value, else: 1))
            instructions.append(.jump(distance))
            distance += chain.count
        }
        return instructions
    }

    private func argumentChain(_ verdicts: SystemCallVerdicts) -> [BPFInstruction] {
        var chain: [BPFInstruction] = []
        for test in verdicts.tests {
            chain += ArgumentTestCode(test.comparisons).instructions(verdict: test.action)
        }
        chain.append(.giveVerdict(verdicts.otherwise ?? profile.defaultAction))
        return chain
    }

    private func numberTree() throws(SeccompPolicyError) -> [UInt8] {
        var decided: [(SystemCallNumber, SeccompAction)] = []
        for (number, verdicts) in profile.verdicts where verdicts.tests.isEmpty {
            // libseccomp refuses rules that repeat the default.
            guard let action = verdicts.otherwise, action != profile.defaultAction else { continue }
            decided.append((number, action))
        }
        do {
            return try LibseccompTree.export(
                defaultAction: profile.defaultAction, rules: decided.sorted { $0.0 < $1.0 })
        } catch {
            throw SeccompPolicyError(profile: profile.name, at: .start, error.description)
        }
    }
}
