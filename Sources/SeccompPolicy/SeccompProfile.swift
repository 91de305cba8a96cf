/// A seccomp profile in the OCI runtime specification's (and Docker's) JSON format, checked completely on creation.
///
/// Where it differs from what runc makes of the same text:
/// - Rules of one system call are tried in the order of the file and the first whose `args` all hold decides.
///   (libseccomp merges them and lets an unconditional rule swallow the others.)
/// - Calls of another ABI (32-bit `int 0x80`, x32) get ENOSYS, whatever `architectures` and `archMap` list: no rule
///   is ever judged by numbers of another table.
/// - Calls newer than ``newestSystemCallNumber`` get ENOSYS under every default action.
/// - `SCMP_ACT_TRACE`, `SCMP_ACT_NOTIFY`, `flags` and `listenerPath` are refused: there is no supervisor.
/// - Both the profile and each rule may have a `comment`.
public struct SeccompProfile: Sendable {
    /// The capabilities that `includes.caps` and `excludes.caps` take root in a sandbox to hold.
    public static let heldCapabilities: Set<String> = [
        "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
        "CAP_NET_BIND_SERVICE", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
    ]

    /// The highest system call number that profiles can name; every number above it yields ENOSYS.
    public static var newestSystemCallNumber: UInt32 { SystemCallNumber.newest }

    /// The name errors begin with, usually the file's path.
    public let name: String
    /// What becomes of a call that no rule names.
    package let defaultAction: SeccompAction
    /// What the rules in force come to, by system call.
    package let verdicts: [SystemCallNumber: SystemCallVerdicts]

    /// Reads and checks a whole profile; nothing is left for ``compile()`` to refuse but its size.
    public init(name: String, json: String) throws(SeccompPolicyError) {
        self.name = name
        let profile = try ProfileValue.parse(profile: name, json: json)
        let members = try profile.members(
            known: ["comment", "defaultAction", "defaultErrnoRet", "architectures", "archMap", "syscalls"])
        _ = try members["comment"]?.string()
        guard let action = members["defaultAction"] else {
            throw profile.error("the profile has no \"defaultAction\"")
        }
        defaultAction = try SeccompRule.readAction(action, errno: members["defaultErrnoRet"])
        try Self.checkArchitectures(members["architectures"], map: members["archMap"])
        var rules: [SeccompRule] = []
        for element in try members["syscalls"]?.elements() ?? [] {
            rules.append(try SeccompRule(reading: element))
        }
        verdicts = try SystemCallVerdicts.collect(rules, profile: name)
    }

    /// The program for this host's architecture; the same profile always gives the same bytes.
    ///
    /// Fails only where libseccomp does, or when the program is longer than
    /// ``SeccompProgram/maximumInstructionCount``.
    public func compile() throws(SeccompPolicyError) -> SeccompProgram {
        try SeccompCompiler(profile: self).compile()
    }

    private static func checkArchitectures(
        _ list: ProfileValue?, map: ProfileValue?
    ) throws(SeccompPolicyError) {
        var listed: [String] = []
        for element in try list?.elements() ?? [] {
            listed.append(try architecture(element))
        }
        for element in try map?.elements() ?? [] {
            let members = try element.members(known: ["architecture", "subArchitectures"])
            guard let main = members["architecture"] else {
                throw element.error("\(element.path) must have \"architecture\"")
            }
            listed.append(try architecture(main))
            if let others = members["subArchitectures"], !others.isNull {
                for other in try others.elements() { _ = try architecture(other) }
            }
        }
        if let place = list ?? map, !listed.contains(NativeArchitecture.ociName),
            !listed.contains("SCMP_ARCH_NATIVE")
        {
            throw place.error("\(place.path) doesn't list this host's architecture, \(NativeArchitecture.ociName)")
        }
    }

    private static func architecture(_ value: ProfileValue) throws(SeccompPolicyError) -> String {
        let name = try value.string()
        guard NativeArchitecture.ociNames.contains(name) else {
            throw value.error("\(value.path): unknown architecture \"\(name)\"; ours is \(NativeArchitecture.ociName)")
        }
        return name
    }
}
