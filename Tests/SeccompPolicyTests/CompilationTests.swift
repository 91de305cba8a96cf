import SeccompPolicy
import Testing

@Suite("A compiled profile")
struct CompilationTests {
    private static let enosys: UInt32 = 0x0005_0026

    @Test("is small and the same every time", arguments: [("default", 800), ("strict", 600)])
    func size(name: String, limit: Int) throws {
        let program = try Policies.load(name).compile()
        #expect(program.instructionCount <= limit)
        #expect(program.bytes.count == 8 * program.instructionCount)
        for _ in 0..<5 { #expect(try Policies.load(name).compile() == program) }
    }

    @Test("gives every number the verdict its rules say", arguments: ["default", "strict"])
    func everyNumber(name: String) throws {
        let profile = try Policies.load(name)
        let interpreter = BPFInterpreter(try profile.compile())
        for number in UInt32(0)...2000 {
            let verdicts = profile.verdicts[SystemCallNumber(value: number)]
            for arguments in Self.argumentSamples(verdicts) {
                let expected =
                    number > SeccompProfile.newestSystemCallNumber
                    ? Self.enosys : Self.judge(verdicts, arguments, profile.defaultAction).code
                let found = try interpreter.run(.init(number: number, arguments: arguments))
                #expect(found.verdict == expected, "number \(number), arguments \(arguments)")
                #expect(found.readsArguments == (verdicts?.tests.isEmpty == false), "number \(number)")
            }
        }
    }

    @Test("answers ENOSYS to another ABI and to numbers from the future", arguments: ["default", "strict"])
    func otherTables(name: String) throws {
        let interpreter = BPFInterpreter(try Policies.load(name).compile())
        for number in UInt32(0)...1000 {
            for architecture: UInt32 in [0x4000_0003, 0x4000_0028, 0xc000_003f, 0] {  // i386, arm, others
                let call = BPFInterpreter.Call(number: number, architecture: architecture)
                #expect(try interpreter.run(call).verdict == Self.enosys)
            }
            #expect(try interpreter.run(.init(number: 0x4000_0000 | number)).verdict == Self.enosys)  // x32
        }
        for number: UInt32 in [471, 600, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            #expect(try interpreter.run(.init(number: number)).verdict == Self.enosys)
        }
    }

    @Test("compares all 64 bits with every operator")
    func operators() throws {
        let edges: [UInt64] = [
            0, 1, 2, 0x7fff_ffff, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, 0x2_0000_0000, .max - 1, .max,
        ]
        for operation in ArgumentComparison.Operator.allCases {
            for datum in edges {
                let isMasked = operation == .maskedEqual
                let mask: UInt64 = 0x1_ffff_fff0
                let values = isMasked ? "\"value\": \(mask), \"valueTwo\": \(datum & mask)" : "\"value\": \(datum)"
                let profile = try SeccompProfile(
                    name: "operator.json",
                    json: """
                        {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
                          {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [
                            {"index": 5, \(values), "op": "\(operation.rawValue)"},
                            {"index": 0, "value": 3, "op": "SCMP_CMP_EQ"}]},
                          {"names": ["read"], "action": "SCMP_ACT_TRAP"}]}
                        """)
                let interpreter = BPFInterpreter(try profile.compile())
                let number = try #require(profile.verdicts.keys.first).value
                for argument in edges {
                    let holds = Self.holds(operation, argument, isMasked ? datum & mask : datum, mask: mask)
                    let verdict = try interpreter.run(.init(number: number, arguments: [3, 0, 0, 0, 0, argument]))
                        .verdict
                    #expect(
                        verdict == (holds ? SeccompAction.allow : .trap).code,
                        "\(argument) \(operation.rawValue) \(datum)")
                    let other = try interpreter.run(.init(number: number, arguments: [4, 0, 0, 0, 0, argument])).verdict
                    #expect(other == SeccompAction.trap.code)
                }
            }
        }
    }

    @Test("takes Docker's way of writing: archMap, null, caps, kernels and other architectures' calls")
    func dockerFormat() throws {
        let profile = try SeccompProfile(
            name: "docker.json",
            json: """
                {
                \t"defaultAction": "SCMP_ACT_ERRNO",
                \t"defaultErrnoRet": 1,
                \t"archMap": [
                \t\t{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
                \t\t{"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": null}
                \t],
                \t"syscalls": [
                \t\t{"names": ["read", "_llseek", "socketcall", "riscv_hwprobe"], "action": "SCMP_ACT_ALLOW", "args": null},
                \t\t{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "includes": {}, "excludes": {}},
                \t\t{"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
                \t\t{"names": ["kcmp"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "999.0"}},
                \t\t{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
                \t\t{"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
                \t\t{"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
                \t\t{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]},
                \t\t "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}]},
                \t\t{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
                \t]
                }
                """)
        let interpreter = BPFInterpreter(try profile.compile())
        func verdict(_ name: String, _ arguments: [UInt64] = []) throws -> UInt32 {
            guard case .native(let number) = SystemCallNumber.resolve(name) else { return 0 }
            return try interpreter.run(.init(number: number.value, arguments: arguments)).verdict
        }
        for name in ["read", "write", "ptrace", "chroot", "clone"] {
            #expect(try verdict(name) == SeccompAction.allow.code, "\(name)")
        }
        for name in ["kcmp", "mount", "bpf", "openat"] {
            #expect(try verdict(name) == SeccompAction.errno(1).code, "\(name)")
        }
        #expect(try verdict("clone", [0x1000_0000]) == SeccompAction.errno(1).code)
        #expect(try verdict("clone3") == Self.enosys)
    }

    @Test("can allow by default, and still knows no other ABI")
    func allowByDefault() throws {
        let profile = try SeccompProfile(name: "open.json", json: #"{"defaultAction": "SCMP_ACT_ALLOW"}"#)
        let interpreter = BPFInterpreter(try profile.compile())
        #expect(try interpreter.run(.init(number: 0)).verdict == SeccompAction.allow.code)
        #expect(try interpreter.run(.init(number: 0x4000_0000)).verdict == Self.enosys)
        #expect(try interpreter.run(.init(number: 0, architecture: 0x4000_0003)).verdict == Self.enosys)
    }

    // MARK: - What the rules mean, said a second time

    private static func judge(
        _ verdicts: SystemCallVerdicts?, _ arguments: [UInt64], _ defaultAction: SeccompAction
    ) -> SeccompAction {
        for test in verdicts?.tests ?? []
        where test.comparisons.allSatisfy({ holds($0.comparison, arguments[$0.index], $0.datum, mask: $0.mask) }) {
            return test.action
        }
        return verdicts?.otherwise ?? defaultAction
    }

    private static func holds(
        _ operation: ArgumentComparison.Operator, _ argument: UInt64, _ datum: UInt64, mask: UInt64
    ) -> Bool {
        switch operation {
        case .equal: argument == datum
        case .notEqual: argument != datum
        case .less: argument < datum
        case .lessOrEqual: argument <= datum
        case .greater: argument > datum
        case .greaterOrEqual: argument >= datum
        case .maskedEqual: argument & mask == datum
        }
    }

    /// Arguments that meet each test, miss it by a bit, and meet it but for the high half.
    private static func argumentSamples(_ verdicts: SystemCallVerdicts?) -> [[UInt64]] {
        var samples: [[UInt64]] = [Array(repeating: 0, count: 6), Array(repeating: .max, count: 6)]
        for test in verdicts?.tests ?? [] {
            var meets = [UInt64](repeating: 0, count: 6)
            for comparison in test.comparisons { meets[comparison.index] = comparison.datum }
            samples.append(meets)
            for comparison in test.comparisons {
                for change: UInt64 in [1, 2, 0x1000, 0x8000_0000, 0x1_0000_0000, 0xffff_ffff_0000_0000] {
                    var changed = meets
                    changed[comparison.index] ^= change
                    samples.append(changed)
                }
            }
        }
        return samples
    }
}
