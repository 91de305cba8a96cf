/// Finds the server's name in the first bytes of a TLS connection (RFC 8446, 4.1.2; RFC 6066, 3), which may
/// come in any number of pieces and records.
package enum ClientHello {
    package enum Reading: Hashable, Sendable {
        /// The name, in lower case. With encrypted ClientHello it is the outer one.
        case name(String)
        case needsMore
        case refused(String)
    }

    /// A greeting has at most this many bytes, records' headers included; real ones have up to 2,000.
    package static let maximumBytes = 16 * 1024

    /// - Parameter bytes: all that came so far.
    package static func read(_ bytes: [UInt8]) -> Reading {
        switch handshake(bytes) {
        case .success(let hello): return name(in: hello)
        case .failure(.needsMore): return bytes.count < maximumBytes ? .needsMore : .refused("a TLS greeting too long")
        case .failure(.other): return .refused("not a TLS greeting")
        }
    }

    private enum Missing: Error {
        case needsMore
        case other
    }

    /// The ClientHello message, from as many records as it takes.
    private static func handshake(_ bytes: [UInt8]) -> Result<[UInt8], Missing> {
        var message: [UInt8] = []
        var at = 0
        while true {
            if message.count >= 4 {
                guard message[0] == 1 else { return .failure(.other) }
                let length = Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
                guard length <= maximumBytes else { return .failure(.other) }
                if message.count >= 4 + length { return .success(Array(message[4..<4 + length])) }
            }
            guard bytes.count > at else { return .failure(.needsMore) }
            // Handshake records alone, of version 3.x.
            guard bytes[at] == 22, bytes.count <= at + 1 || bytes[at + 1] == 3 else { return .failure(.other) }
            guard bytes.count >= at + 5 else { return .failure(.needsMore) }
            let length = Int(bytes[at + 3]) << 8 | Int(bytes[at + 4])
            guard (1...16_384).contains(length) else { return .failure(.other) }
            let end = min(bytes.count, at + 5 + length)
            message += bytes[at + 5..<end]
            at += 5 + length
        }
    }

    private static func name(in hello: [UInt8]) -> Reading {
        var reader = FieldSlice(hello[...])
        guard reader.skip(34), reader.vector(lengthBytes: 1, most: 32) != nil,
            reader.vector(lengthBytes: 2, most: 65_534) != nil, reader.vector(lengthBytes: 1, most: 255) != nil
        else { return .refused("not a TLS greeting") }
        guard !reader.isEmpty else { return .refused("TLS without a server name") }
        guard let extensions = reader.vector(lengthBytes: 2, most: 65_535), reader.isEmpty else {
            return .refused("not a TLS greeting")
        }
        var rest = FieldSlice(extensions)
        var found: ArraySlice<UInt8>?
        while !rest.isEmpty {
            guard let type = rest.number(bytes: 2), let data = rest.vector(lengthBytes: 2, most: 65_535) else {
                return .refused("not a TLS greeting")
            }
            guard type == 0 else { continue }
            // Of two, another might take the other.
            guard found == nil else { return .refused("TLS with two server names") }
            found = data
        }
        guard let found else { return .refused("TLS without a server name") }
        return serverName(found)
    }

    /// A list of one name, which is of type host_name.
    private static func serverName(_ data: ArraySlice<UInt8>) -> Reading {
        var outer = FieldSlice(data)
        guard let list = outer.vector(lengthBytes: 2, most: 65_535), outer.isEmpty else {
            return .refused("not a TLS greeting")
        }
        var reader = FieldSlice(list)
        guard reader.number(bytes: 1) == 0, let bytes = reader.vector(lengthBytes: 2, most: 65_535), reader.isEmpty
        else { return .refused("TLS with other than one server name") }
        guard let name = HostName.normalize(bytes) else { return .refused("a server name that is no domain name") }
        return .name(name)
    }
}

/// Takes fields from the front of bytes.
private struct FieldSlice {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    var isEmpty: Bool { bytes.isEmpty }

    mutating func skip(_ count: Int) -> Bool {
        guard bytes.count >= count else { return false }
        bytes = bytes.dropFirst(count)
        return true
    }

    mutating func number(bytes count: Int) -> Int? {
        guard bytes.count >= count else { return nil }
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count).reduce(0) { $0 << 8 | Int($1) }
    }

    /// Bytes behind their length.
    mutating func vector(lengthBytes: Int, most: Int) -> ArraySlice<UInt8>? {
        guard let count = number(bytes: lengthBytes), count <= most, bytes.count >= count else { return nil }
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count)
    }
}
