/// The signals of Linux by name (signal(7)).
public enum SignalName {
    private static let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM",
        "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH",
        "IO",
        "PWR", "SYS",
    ]

    /// The number behind `TERM`, `SIGTERM` or `15`; nil when there is no such signal.
    public static func number(_ text: String) -> Int32? {
        if let number = Int32(text) { return (1...64).contains(number) ? number : nil }
        let upper = text.uppercased()
        let bare = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
        return names.firstIndex(of: bare).map { Int32($0 + 1) }
    }

    /// `SIGTERM` for 15; the bare number for one without a name.
    public static func name(_ number: Int) -> String {
        names.indices.contains(number - 1) ? "SIG" + names[number - 1] : "signal \(number)"
    }
}
