import SandboxModel
import ShimProtocol

/// What an archive has used of what it may: announced sizes count as soon as they are heard.
struct UnpackingBudget {
    private let mostBytes: UInt64
    private let mostEntries: UInt64
    private(set) var bytes: UInt64 = 0
    private(set) var entries: UInt64 = 0
    private var directories: UInt64 = 0
    /// With holes.
    private var logicalBytes: UInt64 = 0
    private var streamed: UInt64 = 0

    /// Holes cost next to nothing, and yet a file's size is what its readers have to bear.
    private static let logicalFactor: UInt64 = 16
    /// What of the archive itself there may be for each entry, besides its content: headers.
    private static let streamPerEntry: UInt64 = 64 * 1024
    /// What stands behind an archive's end, at most.
    private static let streamSpare: UInt64 = 16 << 20

    init(_ unpacking: Unpacking) {
        mostBytes = unpacking.mostBytes
        mostEntries = unpacking.mostEntries
    }

    /// Counts a directory that is made for an entry.
    mutating func takeDirectory() throws(Fault) {
        directories += 1
        try verifyEntries()
    }

    private func verifyEntries() throws(Fault) {
        guard entries + directories <= mostEntries else {
            throw Fault(.overBudget, note: "more than \(mostEntries) entries")
        }
    }

    /// Counts an entry.
    mutating func takeEntry(stored: UInt64, size: UInt64) throws(Fault) {
        entries += 1
        try verifyEntries()
        (bytes, logicalBytes) = (bytes.saturating(stored), logicalBytes.saturating(size))
        guard bytes <= mostBytes else { throw Fault(.overBudget, note: "more than \(mostBytes) bytes") }
        let (most, overflow) = mostBytes.multipliedReportingOverflow(by: Self.logicalFactor)
        guard overflow || logicalBytes <= most else {
            throw Fault(.overBudget, note: "more than \(most) bytes with holes")
        }
    }

    /// Counts bytes of the archive without its compression, whatever they are.
    mutating func takeStream(_ count: Int) throws(Fault) {
        streamed = streamed.saturating(UInt64(count))
        let (perEntry, overflow) = mostEntries.multipliedReportingOverflow(by: Self.streamPerEntry)
        guard !overflow, streamed > mostBytes.saturating(perEntry).saturating(Self.streamSpare) else { return }
        throw Fault(.overBudget, note: "the archive is far longer than its content")
    }
}

extension UInt64 {
    fileprivate func saturating(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
