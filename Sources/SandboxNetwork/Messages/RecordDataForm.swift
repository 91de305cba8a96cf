/// Where names stand in the data of a type, as far as they may be compressed (RFC 3597, 4): elsewhere
/// data is opaque.
struct RecordDataForm {
    private enum Part {
        case bytes(Int)
        case string
        case name
    }

    private let parts: [Part]
    /// What comes behind the parts.
    private let hasRest: Bool

    init(_ type: DNSType) {
        let parts: [Part]? =
            switch type.number {
            case 1: [.bytes(4)]
            case 28: [.bytes(16)]
            case 2, 3, 4, 5, 7, 8, 9, 12, 39: [.name]
            case 6: [.name, .name, .bytes(20)]
            case 14, 17: [.name, .name]
            case 15, 18, 21, 36: [.bytes(2), .name]
            case 26: [.bytes(2), .name, .name]
            case 33: [.bytes(6), .name]
            case 35: [.bytes(4), .string, .string, .string, .name]
            default: nil
            }
        self.parts = parts ?? []
        hasRest = parts == nil
    }

    /// The data with its names written out.
    func read(_ reader: inout DNSReader, length: Int) throws(DNSFault) -> [UInt8] {
        let end = reader.offset + length
        var data: [UInt8] = []
        for part in parts {
            switch part {
            case .bytes(let count): data += try reader.take(count)
            case .string:
                let count = try reader.byte()
                data.append(count)
                data += try reader.take(Int(count))
            case .name: data += try reader.name().wire
            }
            guard reader.offset <= end else { throw .data }
        }
        if hasRest { data += try reader.take(length) }
        guard reader.offset == end else { throw .data }
        return data
    }
}
