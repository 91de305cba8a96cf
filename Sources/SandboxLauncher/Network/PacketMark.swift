/// Code points (RFC 2474, those for local use) by which a sandbox's own table tells the router what it has
/// found about a packet. Whatever inside puts one there itself only harms itself: none opens anything.
enum PacketMark {
    /// The sandbox's policy forbids it: the router tells of it and refuses.
    static let denied: UInt8 = 0b111111
    /// It goes to an address that is open for its name's sake: the router's name proxy is asked.
    static let named: UInt8 = 0b111011
}

/// Groups of nfnetlink_log, and how much of a packet is told: addresses and ports are in it.
enum DenialLog {
    static let group: UInt16 = 1
    static let bytes: UInt32 = 128
    /// How many denials of one sandbox are told each second; all are counted.
    static let perSecond: UInt64 = 5
    static let burst: UInt32 = 20
}
