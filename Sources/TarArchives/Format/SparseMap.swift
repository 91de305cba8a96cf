import ShimProtocol

/// A map of a file's holes as GNU tar 1.0 writes it in front of the data: decimal numbers, each behind a
/// newline, the count of pairs first; the rest of its last block counts for nothing.
struct SparseMap {
    private var wanted: Int?
    private var numbers: [UInt64] = []
    private var digits: [UInt8] = []

    /// Takes the next block; the segments once all numbers have come.
    mutating func take(_ block: [UInt8]) throws(Fault) -> [TarEntry.Segment]? {
        for byte in block {
            guard byte == UInt8(ascii: "\n") else {
                guard digits.count < 20 else { throw .invalidArchive("a map of holes isn't one") }
                digits.append(byte)
                continue
            }
            let number = try PaxRecords.number(digits[...])
            digits.removeAll(keepingCapacity: true)
            if wanted != nil {
                numbers.append(number)
            } else {
                guard let count = Int(exactly: number) else { throw .invalidArchive("a map of holes is too long") }
                try Self.verify(count: count)
                wanted = count * 2
            }
            if numbers.count == wanted {
                return stride(from: 0, to: numbers.count, by: 2).map {
                    TarEntry.Segment(offset: numbers[$0], length: numbers[$0 + 1])
                }
            }
        }
        return nil
    }

    static func verify(count: Int) throws(Fault) {
        guard count <= TarFormat.mostSegments else {
            throw .invalidArchive("a file with more than \(TarFormat.mostSegments) holes")
        }
    }

    /// Throws unless the segments follow one another within a file of `size`, and are all that is stored.
    static func verify(_ segments: [TarEntry.Segment], size: UInt64, stored: UInt64) throws(Fault) {
        try verify(count: segments.count)
        var (end, sum): (UInt64, UInt64) = (0, 0)
        for segment in segments {
            let (next, overflow) = segment.offset.addingReportingOverflow(segment.length)
            guard !overflow, segment.offset >= end, next <= size else {
                throw .invalidArchive("a map of holes contradicts its file")
            }
            end = next
            // No larger than `size`, since none overlap.
            sum += segment.length
        }
        guard sum == stored, size <= Int64.max else { throw .invalidArchive("a map of holes contradicts its file") }
    }
}
