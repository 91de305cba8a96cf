/// The decision by a system call's number: ranges of numbers with one outcome each, found by halving.
///
/// Profiles allow and deny long runs of neighbouring numbers, so that there are far fewer ranges than calls, and a
/// program of a third of the length of one with a test for each call: it is loaded at the start of every process, and
/// the kernel then runs it once for each number there is (`seccomp_cache_prepare` in kernel/seccomp.c).
struct NumberTree {
    /// What a range of numbers comes to.
    enum Outcome: Hashable {
        case verdict(SeccompAction)
        /// The place of the argument tests that decide, among all of them.
        case chain(Int)
    }

    /// A range reaches from its first number to the next range's.
    private struct Range {
        var first: UInt32
        var outcome: Outcome
    }

    private let ranges: [Range]

    /// The outcomes of 0…`newest`; a number that isn't named comes to `otherwise`.
    init(_ outcomes: [SystemCallNumber: Outcome], newest: UInt32, otherwise: Outcome) {
        var ranges: [Range] = []
        for number in 0...newest {
            let outcome = outcomes[SystemCallNumber(value: number)] ?? otherwise
            if ranges.last?.outcome != outcome { ranges.append(Range(first: number, outcome: outcome)) }
        }
        self.ranges = ranges
    }

    /// The program, which expects the number to be loaded; `chains` follow it, and are jumped to.
    func instructions(followedBy chains: [[BPFInstruction]]) -> [BPFInstruction] {
        var tree: [BPFInstruction] = []
        var jumps: [(place: Int, chain: Int)] = []
        emit(ranges[...], into: &tree, &jumps)
        var start = tree.count
        let starts = chains.map { chain in
            defer { start += chain.count }
            return start
        }
        for jump in jumps { tree[jump.place] = .jump(starts[jump.chain] - jump.place - 1) }
        return tree + chains.joined()
    }

    private func emit(
        _ part: ArraySlice<Range>, into tree: inout [BPFInstruction], _ jumps: inout [(place: Int, chain: Int)]
    ) {
        guard part.count > 1 else {
            guard let only = part.first else { return }
            switch only.outcome {
            case .verdict(let action): tree.append(.giveVerdict(action))
            case .chain(let chain):
                jumps.append((tree.count, chain))
                tree.append(.jump(0))
            }
            return
        }
        let middle = part.startIndex + part.count / 2
        // A conditional jump reaches no more than 255 instructions far, a plain one as far as is needed.
        let place = tree.count
        let isFar = Self.size(ofRanges: middle - part.startIndex) > Int(UInt8.max)
        tree.append(.jump(if: .greaterOrEqual, part[middle].first, else: isFar ? 1 : 0))
        if isFar { tree.append(.jump(0)) }
        emit(part[..<middle], into: &tree, &jumps)
        if isFar {
            tree[place + 1] = .jump(tree.count - place - 2)
        } else {
            tree[place].jumpIfTrue = UInt8(tree.count - place - 1)
        }
        emit(part[middle...], into: &tree, &jumps)
    }

    /// At most how many instructions a part of so many ranges takes.
    private static func size(ofRanges count: Int) -> Int { count > 1 ? 3 * count - 2 : 1 }
}
