import ShimProtocol

/// What pax's extended headers say of entries: records of `length key=value` and a newline.
struct PaxRecords {
    private(set) var path: [UInt8]?
    private(set) var target: [UInt8]?
    private(set) var user: UInt32?
    private(set) var group: UInt32?
    private(set) var size: UInt64?
    private(set) var modified: TarEntry.Time?
    private(set) var attributes: [TarEntry.Attribute] = []
    private(set) var sparse = Sparse()

    /// GNU tar's description of holes, in one of its three versions.
    struct Sparse {
        var major: UInt64?
        var minor: UInt64?
        var name: [UInt8]?
        var realSize: UInt64?
        /// Offsets and lengths in turn, from a list (0.1) or records of their own (0.0).
        var numbers: [UInt64]?

        /// Whether the map stands in front of the file's data.
        var hasMapInData: Bool { major == 1 && minor == 0 }
    }

    /// Takes one record in; a later one of the same key counts. An empty value takes back what a global
    /// header said.
    mutating func take(_ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) throws(Fault) {
        guard let name = String(validating: key, as: UTF8.self) else { return }
        switch name {
        case "path": path = try Self.name(value)
        case "linkpath": target = try Self.name(value)
        case "uid": user = try Self.id(value)
        case "gid": group = try Self.id(value)
        case "size": size = value.isEmpty ? nil : try Self.number(value)
        case "mtime": modified = value.isEmpty ? nil : try Self.time(value)
        case "GNU.sparse.major": sparse.major = try Self.number(value)
        case "GNU.sparse.minor": sparse.minor = try Self.number(value)
        case "GNU.sparse.name": sparse.name = try Self.name(value)
        case "GNU.sparse.size", "GNU.sparse.realsize": sparse.realSize = try Self.number(value)
        case "GNU.sparse.map":
            var numbers: [UInt64] = []
            for part in value.split(separator: UInt8(ascii: ",")) { numbers.append(try Self.number(part)) }
            sparse.numbers = numbers
        case "GNU.sparse.offset", "GNU.sparse.numbytes":
            sparse.numbers = (sparse.numbers ?? []) + [try Self.number(value)]
        default: takeAttribute(key, value)
        }
        guard sparse.numbers?.count ?? 0 <= 2 * TarFormat.mostSegments else {
            throw .invalidArchive("a file with more than \(TarFormat.mostSegments) holes")
        }
    }

    private mutating func takeAttribute(_ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
        let prefix = Array(Self.attributePrefix.utf8)
        guard key.starts(with: prefix) else { return }
        let name = Self.decoded(key.dropFirst(prefix.count))
        attributes.removeAll { $0.name == name }
        attributes.append(TarEntry.Attribute(name: name, value: Array(value)))
    }

    // MARK: Keys and values

    static let attributePrefix = "SCHILY.xattr."

    /// A name of an attribute may hold what ends a key: GNU tar writes it as a URL would.
    static func encoded(_ name: [UInt8]) -> [UInt8] {
        name.flatMap { byte -> [UInt8] in
            switch byte {
            case UInt8(ascii: "%"): Array("%25".utf8)
            case UInt8(ascii: "="): Array("%3D".utf8)
            default: [byte]
            }
        }
    }

    private static func decoded(_ name: ArraySlice<UInt8>) -> [UInt8] {
        var (result, rest): ([UInt8], ArraySlice<UInt8>) = ([], name)
        while let byte = rest.first {
            if rest.starts(with: "%3D".utf8) {
                result.append(UInt8(ascii: "="))
                rest = rest.dropFirst(3)
            } else if rest.starts(with: "%25".utf8) {
                result.append(UInt8(ascii: "%"))
                rest = rest.dropFirst(3)
            } else {
                result.append(byte)
                rest = rest.dropFirst()
            }
        }
        return result
    }

    private static func name(_ value: ArraySlice<UInt8>) throws(Fault) -> [UInt8]? {
        guard !value.contains(0) else { throw .invalidArchive("a name with a NUL in it") }
        return value.isEmpty ? nil : Array(value)
    }

    private static func id(_ value: ArraySlice<UInt8>) throws(Fault) -> UInt32? {
        if value.isEmpty { return nil }
        guard let id = UInt32(exactly: try number(value)), id != .max else {
            throw .invalidArchive("an owner's number is too large")
        }
        return id
    }

    /// Decimal digits alone.
    static func number(_ digits: ArraySlice<UInt8>) throws(Fault) -> UInt64 {
        var value: UInt64 = 0
        for digit in digits {
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt64(digit &- UInt8(ascii: "0")))
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit), !overflow, !carry, sum <= Int64.max else {
                throw .invalidArchive("a number in an extended header isn't one, or is too large")
            }
            value = sum
        }
        guard !digits.isEmpty else { throw .invalidArchive("a number in an extended header is empty") }
        return value
    }

    /// Seconds with a fraction, before 1970 with a minus in front of both.
    private static func time(_ value: ArraySlice<UInt8>) throws(Fault) -> TarEntry.Time {
        let isNegative = value.first == UInt8(ascii: "-")
        let parts = (isNegative ? value.dropFirst() : value).split(
            separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        let seconds = Int64(try number(parts[0]))
        var nanoseconds: UInt32 = 0
        if parts.count > 1 {
            let digits = parts[1].prefix(9)
            if !digits.isEmpty { nanoseconds = UInt32(try number(digits)) }
            for _ in digits.count..<9 { nanoseconds *= 10 }
        }
        guard isNegative else { return TarEntry.Time(seconds: seconds, nanoseconds: nanoseconds) }
        return nanoseconds == 0
            ? TarEntry.Time(seconds: -seconds)
            : TarEntry.Time(seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds)
    }

    // MARK: Records

    /// Cuts an extended header's data into records.
    static func forEach(
        in data: [UInt8], _ body: (ArraySlice<UInt8>, ArraySlice<UInt8>) throws(Fault) -> Void
    ) throws(Fault) {
        var rest = data[...]
        // Some writers fill up with zeros.
        while let first = rest.first, first != 0 {
            guard let space = rest.prefix(8).firstIndex(of: UInt8(ascii: " ")),
                let length = Int(exactly: try number(rest[rest.startIndex..<space])),
                length > space - rest.startIndex + 1, length <= rest.count
            else { throw .invalidArchive("a record of an extended header has a wrong length") }
            let record = rest[space + 1..<rest.startIndex + length]
            guard record.last == UInt8(ascii: "\n"), let equals = record.firstIndex(of: UInt8(ascii: "=")) else {
                throw .invalidArchive("a record of an extended header isn't one")
            }
            try body(record[record.startIndex..<equals], record[equals + 1..<record.endIndex - 1])
            rest = rest.dropFirst(length)
        }
    }
}
