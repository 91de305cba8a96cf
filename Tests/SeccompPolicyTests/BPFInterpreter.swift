import SeccompPolicy

/// Runs a seccomp program as the kernel would, so that every number and argument can be tried without a process each.
struct BPFInterpreter {
    struct Call {
        var number: UInt32
        var arguments: [UInt64] = []
        var architecture = NativeArchitecture.audit
    }

    struct Fault: Error {
        var description: String
    }

    let code: [(code: UInt16, then: Int, otherwise: Int, operand: UInt32)]

    init(_ program: SeccompProgram) {
        code = stride(from: 0, to: program.bytes.count, by: 8).map { at in
            let bytes = program.bytes[at..<at + 8].map { UInt32($0) }
            return (
                UInt16(bytes[0] | bytes[1] << 8), Int(bytes[2]), Int(bytes[3]),
                bytes[4] | bytes[5] << 8 | bytes[6] << 16 | bytes[7] << 24
            )
        }
    }

    /// The returned `SECCOMP_RET_*` value, and whether the program looked at an argument on the way.
    func run(_ call: Call) throws -> (verdict: UInt32, readsArguments: Bool) {
        var words = [call.number, call.architecture, 0, 0]
        for index in 0..<6 {
            let argument = index < call.arguments.count ? call.arguments[index] : 0
            words += [UInt32(truncatingIfNeeded: argument), UInt32(argument >> 32)]
        }
        var accumulator: UInt32 = 0
        var readsArguments = false
        var at = 0
        while at < code.count {
            let step = code[at]
            at += 1
            switch step.code {
            case 0x20:
                accumulator = words[Int(step.operand / 4)]
                readsArguments = readsArguments || step.operand >= 16
            case 0x54: accumulator &= step.operand
            case 0x05: at += Int(step.operand)
            case 0x15: at += accumulator == step.operand ? step.then : step.otherwise
            case 0x25: at += accumulator > step.operand ? step.then : step.otherwise
            case 0x35: at += accumulator >= step.operand ? step.then : step.otherwise
            case 0x06: return (step.operand, readsArguments)
            default: throw Fault(description: "instruction \(at - 1) has the unknown code \(step.code)")
            }
        }
        throw Fault(description: "the program ends without a verdict")
    }
}
