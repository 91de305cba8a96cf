/// The code of one rule's argument tests: falls out at its end, and jumps to a place given later, when one fails.
struct ArgumentTestCode {
    /// Where a jump goes; resolved once the length of the whole rule is known.
    private enum Target {
        case next
        case nextRule
        case comparisonHolds
    }

    private struct Step {
        var instruction: BPFInstruction
        var then = Target.next
        var otherwise = Target.next
        /// Index behind the last step of the comparison that this step belongs to.
        var comparisonEnd = 0
    }

    private var steps: [Step] = []

    init(_ comparisons: [ArgumentComparison]) {
        for comparison in comparisons {
            let start = steps.count
            append(comparison)
            for index in start..<steps.count { steps[index].comparisonEnd = steps.count }
        }
    }

    /// The tests, then the verdict; when a test fails, control passes to whatever follows.
    func instructions(verdict: SeccompAction) -> [BPFInstruction] {
        steps.enumerated().map { index, step in
            var instruction = step.instruction
            // At most six comparisons of six steps: no distance comes near 255.
            instruction.jumpIfTrue = UInt8(distance(to: step.then, from: index))
            instruction.jumpIfFalse = UInt8(distance(to: step.otherwise, from: index))
            return instruction
        } + [.giveVerdict(verdict)]
    }

    private func distance(to target: Target, from index: Int) -> Int {
        switch target {
        case .next: 0
        case .comparisonHolds: steps[index].comparisonEnd - index - 1
        case .nextRule: steps.count - index
        }
    }

    private mutating func append(_ comparison: ArgumentComparison) {
        let high = UInt32(comparison.datum >> 32)
        let low = UInt32(truncatingIfNeeded: comparison.datum)
        let fails = Target.nextRule
        switch comparison.comparison {
        case .equal, .maskedEqual:
            appendEqual(.argumentHigh(comparison.index), high, mask: UInt32(comparison.mask >> 32))
            appendEqual(.argumentLow(comparison.index), low, mask: UInt32(truncatingIfNeeded: comparison.mask))
        case .notEqual:
            load(.argumentHigh(comparison.index))
            jump(if: .equal, high, then: .next, otherwise: .comparisonHolds)
            load(.argumentLow(comparison.index))
            jump(if: .equal, low, then: fails, otherwise: .next)
        case .greater, .greaterOrEqual:
            load(.argumentHigh(comparison.index))
            jump(if: .greater, high, then: .comparisonHolds, otherwise: .next)
            jump(if: .equal, high, then: .next, otherwise: fails)
            load(.argumentLow(comparison.index))
            let test: BPFInstruction.Test = comparison.comparison == .greater ? .greater : .greaterOrEqual
            jump(if: test, low, then: .next, otherwise: fails)
        case .less, .lessOrEqual:
            load(.argumentHigh(comparison.index))
            jump(if: .greater, high, then: fails, otherwise: .next)
            jump(if: .equal, high, then: .next, otherwise: .comparisonHolds)
            load(.argumentLow(comparison.index))
            let test: BPFInstruction.Test = comparison.comparison == .less ? .greaterOrEqual : .greater
            jump(if: test, low, then: fails, otherwise: .next)
        }
    }

    private mutating func appendEqual(_ field: SeccompDataField, _ datum: UInt32, mask: UInt32) {
        guard mask != 0 else { return }
        load(field)
        if mask != .max { steps.append(Step(instruction: .and(mask))) }
        jump(if: .equal, datum, then: .next, otherwise: .nextRule)
    }

    private mutating func load(_ field: SeccompDataField) {
        steps.append(Step(instruction: .load(field)))
    }

    private mutating func jump(
        if test: BPFInstruction.Test, _ operand: UInt32, then: Target, otherwise: Target
    ) {
        steps.append(Step(instruction: .jump(if: test, operand), then: then, otherwise: otherwise))
    }
}
