/// `LOWEST-HIGHEST`: ports that may be taken.
public struct PortRange: Sendable, Hashable, CustomStringConvertible {
    public let lowest: UInt16
    public let highest: UInt16

    init(lowest: UInt16, highest: UInt16) {
        self.lowest = lowest
        self.highest = highest
    }

    /// nil for anything else, and below 1024: the service holds no right to bind those.
    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let lowest = UInt16(parts[0]), let highest = UInt16(parts[1]), lowest >= 1024,
            lowest <= highest
        else { return nil }
        self.init(lowest: lowest, highest: highest)
    }

    public var description: String { "\(lowest)-\(highest)" }
}
