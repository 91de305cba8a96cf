import CordonAPI
import CordonClient
import NIOCore

/// Prints pieces of a log: as they were written, with times before lines, or as JSON.
struct LogPrinter {
    enum Form {
        case plain, timed, json
    }

    let form: Form
    /// The streams that are within a line.
    private var within: Set<OutputName> = []

    init(form: Form) { self.form = form }

    private struct Entry: Encodable {
        var stream: String
        var offset: UInt64
        var length: UInt64
        var at: APITime?
        var text: String?
        var base64: String?
        var dropped: Bool?
    }

    mutating func show(_ piece: LogPiece) async throws {
        if form == .json { return try await showEntry(piece) }
        switch piece.content {
        case .gone(let count): LocalOutput.tellGap(piece.stream, count)
        case .bytes(let bytes):
            let shown = form == .timed ? timed(bytes, piece) : bytes
            try await LocalOutput.write(ByteBuffer(bytes: shown), to: piece.stream)
        }
    }

    private mutating func timed(_ bytes: [UInt8], _ piece: LogPiece) -> [UInt8] {
        var shown: [UInt8] = []
        let stamp = Array("\(piece.at.map { "\($0)" } ?? "-") ".utf8)
        for byte in bytes {
            if within.insert(piece.stream).inserted { shown += stamp }
            shown.append(byte)
            if byte == 10 { within.remove(piece.stream) }
        }
        return shown
    }

    private func showEntry(_ piece: LogPiece) async throws {
        var entry = Entry(stream: piece.stream.rawValue, offset: piece.offset, length: 0, at: piece.at)
        switch piece.content {
        case .gone(let count):
            entry.length = count
            entry.dropped = true
        case .bytes(let bytes):
            entry.length = UInt64(bytes.count)
            entry.text = String(validating: bytes, as: UTF8.self)
            if entry.text == nil { entry.base64 = String(decoding: Base64.encode(bytes), as: UTF8.self) }
        }
        try await LocalOutput.write(ByteBuffer(bytes: try JSONText.encode(entry) + [10]), to: .stdout)
    }
}
