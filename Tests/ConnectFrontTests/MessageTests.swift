import ConnectFront
import NIOCore
import Testing

/// Reading of HTTP/1.1, without any connection. The hostile cases run against the whole service too.
@Suite("Messages of HTTP/1.1")
struct MessageTests {
    private func request(_ text: String) throws -> RequestHead? {
        var buffer = ByteBuffer(string: text)
        var reader = HeadReader()
        return try reader.next(from: &buffer).map { try RequestHead(lines: $0) }
    }

    @Test("a head is the same however its bytes are cut")
    func pieces() throws {
        let text = "POST /a?b HTTP/1.1\r\nHost: x:80\r\nA: b\r\nContent-Length: 3\r\n\r\nabc"
        for size in 1...text.utf8.count {
            var reader = HeadReader()
            var buffer = ByteBuffer()
            var heads: [RequestHead] = []
            for start in stride(from: 0, to: text.utf8.count, by: size) {
                buffer.writeBytes(Array(text.utf8)[start..<min(start + size, text.utf8.count)])
                if heads.isEmpty, let lines = try reader.next(from: &buffer) {
                    heads.append(try RequestHead(lines: lines))
                }
            }
            #expect(heads.count == 1)
            #expect(heads.first?.authority == "x:80")
            #expect(heads.first?.body == .length(3))
            #expect(heads.first?.fields.all == [MessageFields.Field("A", "b")])
            #expect(String(buffer: buffer) == "abc")
        }
    }

    @Test(
        "what could be read in two ways is refused",
        arguments: [
            "GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\r\nHost: x\r\n a: b\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", "GET x HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA: b\u{0}\r\n\r\n",
        ])
    func refused(_ text: String) { #expect(throws: MalformedMessage.self) { try request(text) } }

    @Test("a line that goes on and on is refused before it ends")
    func endless() throws {
        var reader = HeadReader()
        var buffer = ByteBuffer(repeating: 65, count: 17 * 1024)
        #expect(throws: MalformedMessage("the head is too large", status: 431)) { try reader.next(from: &buffer) }
    }

    private func body(_ framing: BodyFraming, _ text: String, size: Int) throws -> (String, rest: String)? {
        var reader = BodyReader(framing)
        var buffer = ByteBuffer()
        var content = ""
        for start in stride(from: 0, to: text.utf8.count, by: size) {
            buffer.writeBytes(Array(text.utf8)[start..<min(start + size, text.utf8.count)])
            while !reader.isOver, let part = try reader.next(from: &buffer) {
                if case .bytes(let bytes) = part { content += String(buffer: bytes) }
            }
        }
        return reader.isOver ? (content, String(buffer: buffer)) : nil
    }

    @Test("a body ends where its framing says, and what follows stays", arguments: [1, 2, 3, 1000])
    func bodies(size: Int) throws {
        let chunked = "5;x=y\r\nhello\r\nA\r\n, world 12\r\n0\r\nTrailer: x\r\n\r\nGET"
        #expect(try #require(try body(.chunked, chunked, size: size)) == ("hello, world 12", rest: "GET"))
        #expect(try #require(try body(.length(5), "helloGET", size: size)) == ("hello", rest: "GET"))
        #expect(try body(.length(9), "hello", size: size) == nil)
        #expect(try body(.chunked, "5\r\nhello\r\n0\r\n", size: size) == nil)
    }

    @Test(
        "a chunk that isn't as RFC 9112 has it is refused, however it is cut",
        arguments: [
            "5 \r\nhello", "0x5\r\nhello", "-5\r\nhello", "5\nhello", "3\r\nhello\r\n", "\r\n", "0\r\nx\r\n\r\n",
            "5\rx\r\n",
        ])
    func badChunks(_ text: String) {
        for size in [1, 1000] {
            #expect(throws: MalformedMessage.self) { _ = try body(.chunked, text, size: size) }
        }
    }

    @Test("an answer says how long its body is, or that nobody can tell")
    func answers() throws {
        func framing(_ lines: String..., to method: String = "GET") throws -> BodyFraming {
            try ResponseHead(lines: lines, to: method).body
        }
        #expect(try framing("HTTP/1.1 200 OK") == .untilClose)
        #expect(try framing("HTTP/1.1 200 OK", "Content-Length: 7") == .length(7))
        #expect(try framing("HTTP/1.1 200 OK", "Content-Length: 7", to: "HEAD") == .none)
        #expect(try framing("HTTP/1.1 304 Not Modified", "Content-Length: 7") == .none)
        #expect(try framing("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") == .chunked)
        for lines in [
            ["HTTP/1.1 20 OK"], ["HTTP/2 200 OK"], ["HTTP/1.1 200 OK", "Content-Length: 1, 1"],
            ["HTTP/1.1 200 OK", "Content-Length: 1", "Transfer-Encoding: chunked"],
            ["HTTP/1.1 200 OK", "Transfer-Encoding: gzip"], ["HTTP/1.0 200 OK", "Transfer-Encoding: chunked"],
        ] {
            #expect(throws: MalformedMessage.self) { try ResponseHead(lines: lines, to: "GET") }
        }
    }
}
