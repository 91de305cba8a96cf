/// One entry of `syscalls`, checked but not yet divided among the system calls it names.
struct SeccompRule {
    struct Name {
        var text: String
        var number: SystemCallNumber
        var position: TextPosition
    }

    /// Calls of the native architecture only.
    var names: [Name]
    var action: SeccompAction
    var comparisons: [ArgumentComparison]
    /// False where `includes` or `excludes` take the rule out on this host.
    var isInForce: Bool

    init(reading value: ProfileValue) throws(SeccompPolicyError) {
        let members = try value.members(
            known: ["names", "action", "errnoRet", "args", "comment", "includes", "excludes"])
        guard let names = members["names"], let action = members["action"] else {
            throw value.error("\(value.path) must have \"names\" and \"action\"")
        }
        _ = try members["comment"]?.string()
        self.names = try Self.readNames(names)
        self.action = try Self.readAction(action, errno: members["errnoRet"])
        self.comparisons = try Self.readComparisons(members["args"])
        let includes = try Self.readCondition(members["includes"])
        let excludes = try Self.readCondition(members["excludes"])
        isInForce = (includes?.includesThisHost ?? true) && !(excludes?.excludesThisHost ?? false)
    }

    private static func readNames(_ value: ProfileValue) throws(SeccompPolicyError) -> [Name] {
        let elements = try value.elements()
        guard !elements.isEmpty else { throw value.error("\(value.path) must name at least one system call") }
        var names: [Name] = []
        for element in elements {
            let text = try element.string()
            switch SystemCallNumber.resolve(text) {
            case .native(let number): names.append(Name(text: text, number: number, position: element.position))
            case .foreign: continue
            case .unknown: throw element.error("unknown syscall \"\(text)\" in \(element.path)")
            }
        }
        return names
    }

    /// Reads an action and the error number that goes with it, which is EPERM when absent.
    static func readAction(
        _ value: ProfileValue, errno: ProfileValue?
    ) throws(SeccompPolicyError) -> SeccompAction {
        let name = try value.string()
        let number = errno?.isNull == true ? nil : try errno?.integer(in: 0...4095)
        guard let action = SeccompAction(name: name, errno: UInt16(number ?? 1)) else {
            throw value.error(
                "\(value.path): unknown action \"\(name)\"; known are \(SeccompAction.names.joined(separator: ", "))")
        }
        if let errno, number != nil, name != "SCMP_ACT_ERRNO" {
            throw errno.error("\(errno.path) has a meaning only with SCMP_ACT_ERRNO, not with \(name)")
        }
        return action
    }

    private static func readComparisons(_ value: ProfileValue?) throws(SeccompPolicyError) -> [ArgumentComparison] {
        guard let value, !value.isNull else { return [] }
        var comparisons: [ArgumentComparison] = []
        for element in try value.elements() {
            let comparison = try ArgumentComparison(reading: element)
            // runc reads two tests of one argument as "or", libseccomp refuses them.
            guard !comparisons.contains(where: { $0.index == comparison.index }) else {
                throw element.error(
                    "\(element.path) tests argument \(comparison.index) a second time; write a rule for each")
            }
            comparisons.append(comparison)
        }
        return comparisons
    }

    private static func readCondition(_ value: ProfileValue?) throws(SeccompPolicyError) -> ProfileCondition? {
        guard let value, !value.isNull else { return nil }
        return try ProfileCondition(reading: value)
    }
}
