/// One test of one system call argument. All tests of a rule must hold.
///
/// The kernel truncates `int` arguments to 32 bits *after* the filter has seen all 64, so only
/// `SCMP_CMP_MASKED_EQ` with a mask of at most 0xffffffff judges such an argument as the kernel will.
package struct ArgumentComparison: Hashable, Sendable {
    /// How an argument is compared with the datum, in the names of the OCI runtime specification.
    package enum Operator: String, CaseIterable, Sendable {
        case notEqual = "SCMP_CMP_NE"
        case less = "SCMP_CMP_LT"
        case lessOrEqual = "SCMP_CMP_LE"
        case equal = "SCMP_CMP_EQ"
        case greaterOrEqual = "SCMP_CMP_GE"
        case greater = "SCMP_CMP_GT"
        case maskedEqual = "SCMP_CMP_MASKED_EQ"
    }

    /// The argument, 0 to 5.
    package var index: Int
    package var comparison: Operator
    /// What the argument is compared with.
    package var datum: UInt64
    /// The bits that count; all of them except for ``Operator/maskedEqual``.
    package var mask: UInt64 = .max

    /// Reads `{"index", "value", "valueTwo", "op"}`; for a masked comparison `value` is the mask and `valueTwo` the
    /// datum (0 when absent), in every other `valueTwo` has no meaning and must be absent or 0.
    init(reading value: ProfileValue) throws(SeccompPolicyError) {
        let members = try value.members(known: ["index", "value", "valueTwo", "op"])
        guard let index = members["index"], let first = members["value"], let op = members["op"] else {
            throw value.error("\(value.path) must have \"index\", \"value\" and \"op\"")
        }
        self.index = Int(try index.integer(in: 0...5))
        let name = try op.string()
        guard let comparison = Operator(rawValue: name) else {
            let known = Operator.allCases.map(\.rawValue).joined(separator: ", ")
            throw op.error("\(op.path): unknown comparison \"\(name)\"; known are \(known)")
        }
        self.comparison = comparison
        let valueOne = try first.integer(in: 0...UInt64.max)
        let valueTwo = try members["valueTwo"]?.integer(in: 0...UInt64.max)
        guard comparison == .maskedEqual else {
            if let second = members["valueTwo"], valueTwo != 0 {
                throw second.error("\(second.path) has a meaning only with SCMP_CMP_MASKED_EQ")
            }
            datum = valueOne
            return
        }
        let datum = valueTwo ?? 0
        guard datum & ~valueOne == 0 else {
            throw value.error("\(value.path) can never hold: valueTwo \(datum) has bits outside the mask \(valueOne)")
        }
        (self.datum, mask) = (datum, valueOne)
    }
}
