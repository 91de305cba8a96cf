/// Why bytes are not a message of ours.
public struct WireError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// Writes values in the programs' own format: little-endian, texts and bytes behind a u32 length.
public struct WireWriter: Sendable {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public mutating func put<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Writes a number over the first bytes, which are there.
    mutating func overwriteStart(_ value: UInt32) {
        withUnsafeBytes(of: value.littleEndian) { bytes.replaceSubrange(..<$0.count, with: $0) }
    }

    public mutating func put(_ value: Bool) { put(UInt8(value ? 1 : 0)) }

    public mutating func put(_ value: String) {
        var value = value
        value.withUTF8 {
            put(UInt32($0.count))
            bytes.append(contentsOf: $0)
        }
    }

    public mutating func put(_ value: [UInt8]) {
        put(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    public mutating func put(_ value: [String]) {
        put(UInt32(value.count))
        for text in value { put(text) }
    }

    public mutating func put<Value: WireCodable>(_ value: Value) { value.encode(into: &self) }

    public mutating func put<Value: WireCodable>(_ value: Value?) {
        put(value != nil)
        if let value { put(value) }
    }

    public mutating func put<Value: WireCodable>(_ values: [Value]) {
        put(UInt32(values.count))
        for value in values { put(value) }
    }
}

/// Reads what `WireWriter` wrote. Every length is checked against what is there, so a lie costs
/// an error and no memory; bytes that remain at the end are from a newer version and ignored.
public struct WireReader: Sendable {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    public init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    public init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    public var remaining: Int { bytes.endIndex - position }

    public mutating func take(_ count: Int) throws(WireError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else { throw WireError("a field ends beyond its message") }
        defer { position += count }
        return bytes[position..<position + count]
    }

    public mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) throws(WireError) -> Value {
        let size = MemoryLayout<Value>.size
        let field = try take(size)
        var value: Value = 0
        for (index, byte) in field.enumerated() { value |= Value(truncatingIfNeeded: byte) << Value(index * 8) }
        return value
    }

    public mutating func bool() throws(WireError) -> Bool { try integer(UInt8.self) != 0 }

    public mutating func blob() throws(WireError) -> [UInt8] { Array(try take(Int(try integer(UInt32.self)))) }

    public mutating func string() throws(WireError) -> String {
        let field = try take(Int(try integer(UInt32.self)))
        guard let text = String(validating: field, as: UTF8.self) else { throw WireError("a text is not UTF-8") }
        return text
    }

    /// A count of things that each take at least `size` bytes.
    public mutating func count(eachAtLeast size: Int) throws(WireError) -> Int {
        let count = Int(try integer(UInt32.self))
        guard count <= remaining / max(1, size) else { throw WireError("a list is longer than its message") }
        return count
    }

    public mutating func strings() throws(WireError) -> [String] {
        var result: [String] = []
        for _ in 0..<(try count(eachAtLeast: 4)) { result.append(try string()) }
        return result
    }

    public mutating func value<Value: WireCodable>(_ type: Value.Type = Value.self) throws(WireError) -> Value {
        try Value(from: &self)
    }

    public mutating func optional<Value: WireCodable>(_ type: Value.Type = Value.self) throws(WireError) -> Value? {
        try bool() ? try Value(from: &self) : nil
    }

    public mutating func values<Value: WireCodable>(_ type: Value.Type = Value.self) throws(WireError) -> [Value] {
        var result: [Value] = []
        for _ in 0..<(try count(eachAtLeast: 1)) { result.append(try Value(from: &self)) }
        return result
    }
}

/// A value with one form on the wire and on disk.
public protocol WireCodable: Sendable {
    func encode(into writer: inout WireWriter)
    init(from reader: inout WireReader) throws(WireError)
}

extension WireCodable {
    /// The value alone, as a record on disk.
    public var record: [UInt8] {
        var writer = WireWriter()
        encode(into: &writer)
        return writer.bytes
    }

    /// Reads a record; newer trailing fields are ignored.
    public init(record: [UInt8]) throws(WireError) {
        var reader = WireReader(record)
        try self.init(from: &reader)
    }
}
