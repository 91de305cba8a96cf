import NIOCore

/// Takes the lines of a head, or of trailers, off a buffer: strictly as RFC 9112 spells them, where others
/// are lenient. A line ends with CR LF and holds no other control but tabs.
package struct HeadReader: Sendable {
    package struct Limits: Sendable {
        package var lineBytes = 16 * 1024
        package var headBytes = 64 * 1024
        package var fields = 100

        package init() {}
    }

    private let limits: Limits
    private var lines: [String] = []
    private var bytes = 0
    /// How much of the buffer was searched for the end of a line.
    private var searched = 0

    package init(_ limits: Limits = Limits()) { self.limits = limits }

    /// Whether nothing of a head has come yet.
    package func isAtStart(of buffer: ByteBuffer) -> Bool { lines.isEmpty && buffer.readableBytes == 0 }

    /// The lines up to the empty one, without it; nil until that has come.
    package mutating func next(from buffer: inout ByteBuffer) throws(MalformedMessage) -> [String]? {
        while let line = try nextLine(from: &buffer) {
            if line.isEmpty {
                defer { (lines, bytes) = ([], 0) }
                return lines
            }
            guard lines.count <= limits.fields else { throw MalformedMessage("too many fields", status: 431) }
            lines.append(line)
        }
        return nil
    }

    private mutating func nextLine(from buffer: inout ByteBuffer) throws(MalformedMessage) -> String? {
        let view = buffer.readableBytesView
        guard let end = view.dropFirst(searched).firstIndex(of: 10) else {
            searched = view.count
            try count(view.count)
            return nil
        }
        let length = end - view.startIndex
        try count(length + 1)
        let line = view.prefix(length)
        guard line.last == 13 else { throw MalformedMessage("a line that ends with LF alone") }
        let text = line.dropLast()
        guard text.allSatisfy(\.isFieldByte) else { throw MalformedMessage("a control character in the head") }
        bytes += length + 1
        searched = 0
        // What isn't UTF-8 is taken for ISO 8859-1.
        let string =
            String(validating: text, as: UTF8.self) ?? String(String.UnicodeScalarView(text.map { Unicode.Scalar($0) }))
        buffer.moveReaderIndex(forwardBy: length + 1)
        return string
    }

    private func count(_ more: Int) throws(MalformedMessage) {
        guard more <= limits.lineBytes, bytes + more <= limits.headBytes else {
            throw MalformedMessage("the head is too large", status: 431)
        }
    }
}

extension MessageFields {
    /// The fields that these lines spell.
    package init(lines: some Sequence<String>) throws(MalformedMessage) {
        var all: [Field] = []
        for line in lines {
            guard line.utf8.first != 32, line.utf8.first != 9 else {
                throw MalformedMessage("a field that goes on in the next line")
            }
            guard let (name, value) = line.cut(at: ":"), !name.isEmpty, name.utf8.allSatisfy(\.isTokenByte) else {
                throw MalformedMessage("a line that is no field")
            }
            all.append(Field(name, value.trimmingBlanks()))
        }
        self.init(all)
    }

    /// The length that the fields give; nil without one. One line with digits alone, once.
    func contentLength() throws(MalformedMessage) -> Int? {
        let given = self["content-length"]
        guard let text = given.first else { return nil }
        guard given.count == 1, (1...18).contains(text.utf8.count),
            text.utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(text)
        else { throw MalformedMessage("a Content-Length that isn't one number") }
        return length
    }
}
