import Foundation
import Logging
import ServiceLog
import Synchronization
import Testing

/// Lines of JSON.
struct JSONLogHandlerTests {
    private final class Lines: Sendable {
        private let text = Mutex("")
        func add(_ line: String) { text.withLock { $0 += line } }
        var all: String { text.withLock { $0 } }
    }

    private func line(_ body: (inout Logger) -> Void) throws -> (object: [String: Any], text: String) {
        let lines = Lines()
        var logger = Logger(label: "test") { label in
            JSONLogHandler(
                label: label, metadataProvider: Logger.MetadataProvider { ["request_id": "r-1"] },
                now: { LogTime(seconds: 1_800_000_000, microseconds: 42) }, write: { lines.add($0) })
        }
        body(&logger)
        let object = try JSONSerialization.jsonObject(with: Data(lines.all.utf8)) as? [String: Any]
        return (try #require(object), lines.all)
    }

    @Test("a message is one object with its time, level, text and metadata")
    func message() throws {
        let (object, text) = try line { $0.info("hello", metadata: ["sandbox": "sb-1", "bytes": "\(3)"]) }
        #expect(object["time"] as? String == "2027-01-15T08:00:00.000042Z")
        #expect(object["level"] as? String == "info")
        #expect(object["message"] as? String == "hello")
        #expect(object["logger"] as? String == "test")
        #expect(object["sandbox"] as? String == "sb-1")
        #expect(object["request_id"] as? String == "r-1")
        #expect(text.hasSuffix("}\n"))
    }

    @Test("whatever is logged, a line stays a line, and says nothing else than what it is")
    func hostile() throws {
        let evil = "a\"b\\c\nlevel\r\u{0}\u{1b}[31m\u{2028}\u{85}ü𝄞"
        let (object, text) = try line { $0.error("\(evil)", metadata: ["level": "\(evil)", "x": [["y": "\(evil)"]]]) }
        #expect(object["message"] as? String == evil)
        #expect(object["level"] as? String == "error")
        #expect(object["_level"] as? String == evil)
        #expect(text.filter(\.isNewline).count == 1)
        #expect(!text.unicodeScalars.contains { $0.value < 32 && $0 != "\n" })
    }

    @Test("a long text is cut")
    func long() throws {
        let (object, _) = try line { $0.info("\(String(repeating: "x", count: 100_000))") }
        #expect((object["message"] as? String)?.count == 8192)
    }

    @Test("numbers and truth values stay what they are")
    func values() throws {
        let (object, _) = try line {
            $0.info(
                "x",
                metadata: ["n": .stringConvertible(5), "t": .stringConvertible(true), "d": .stringConvertible(1.5)])
        }
        #expect(object["n"] as? Int == 5)
        #expect(object["t"] as? Bool == true)
        #expect(object["d"] as? Double == 1.5)
    }
}
