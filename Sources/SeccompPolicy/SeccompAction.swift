/// What the kernel does with a call, in the names of the OCI runtime specification.
package enum SeccompAction: Hashable, Sendable, CustomStringConvertible {
    case allow
    case log
    case errno(UInt16)
    case trap
    case killThread
    case killProcess

    static let noSuchSystemCall = SeccompAction.errno(38)  // ENOSYS on both architectures

    /// The return value of a filter (`SECCOMP_RET_*`), which is also libseccomp's `SCMP_ACT_*`.
    package var code: UInt32 {
        switch self {
        case .allow: 0x7fff_0000
        case .log: 0x7ffc_0000
        case .errno(let number): 0x0005_0000 | UInt32(number)
        case .trap: 0x0003_0000
        case .killThread: 0x0000_0000
        case .killProcess: 0x8000_0000
        }
    }

    package var description: String {
        switch self {
        case .allow: "SCMP_ACT_ALLOW"
        case .log: "SCMP_ACT_LOG"
        case .errno(let number): "SCMP_ACT_ERRNO(\(number))"
        case .trap: "SCMP_ACT_TRAP"
        case .killThread: "SCMP_ACT_KILL_THREAD"
        case .killProcess: "SCMP_ACT_KILL_PROCESS"
        }
    }

    static let names = [
        "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_LOG", "SCMP_ACT_TRAP",
    ]

    /// nil for a name that isn't in ``names``; `SCMP_ACT_TRACE` and `SCMP_ACT_NOTIFY` need a supervisor, which no
    /// sandbox has.
    init?(name: String, errno: UInt16) {
        switch name {
        case "SCMP_ACT_ALLOW": self = .allow
        case "SCMP_ACT_LOG": self = .log
        case "SCMP_ACT_ERRNO": self = .errno(errno)
        case "SCMP_ACT_TRAP": self = .trap
        case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD": self = .killThread
        case "SCMP_ACT_KILL_PROCESS": self = .killProcess
        default: return nil
        }
    }
}
