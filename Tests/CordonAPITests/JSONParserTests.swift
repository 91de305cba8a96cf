import CordonAPI
import Testing

@Suite("The JSON reader")
struct JSONParserTests {
    @Test(
        "reads what RFC 8259 allows",
        arguments: [
            ("null", JSONValue.null), (" [ ] ", .array([])), ("-0", .integer(0)), ("1e2", .number(100)),
            ("0.5", .number(0.5)),
            ("9223372036854775807", .integer(.max)), ("9223372036854775808", .number(9_223_372_036_854_775_808)),
            (#""\u00e9\ud83d\ude00\/\b""#, .string("é😀/\u{8}")),
            ("{\"a\":[true,{\"b\":\"\"}]}", .object(["a": .array([.bool(true), .object(["b": .string("")])])])),
        ])
    func reads(_ text: String, _ value: JSONValue) throws {
        #expect(try JSONParser.parse(Array(text.utf8)) == value)
    }

    @Test(
        "refuses everything else",
        arguments: [
            "", " ", "nul", "nulll", "01", "1.", ".5", "+1", "1e", "-", "NaN", "[1,]", "[1 2]", "{", "{\"a\"}",
            "{\"a\":1,}", "{a:1}", "'a'", "\"", "\"\\x\"",
            "\"\\ud800\"", "\"\\ud800x\"", "\"\\udc00\"", "\"a\nb\"", "1 2", "{\"a\":1,\"a\":2}", "[1}", "\u{feff}1",
            "1e400", "/**/1",
        ])
    func refuses(_ text: String) {
        #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(Array(text.utf8)) }
    }

    @Test("refuses bytes that aren't UTF-8, and depth beyond its bound, wherever that is")
    func bounds() throws {
        #expect(throws: JSONSyntaxError.self) { try JSONParser.parse([34, 0xff, 34]) }
        let deepest = JSONParser.maximumDepth
        let fits = String(repeating: "[", count: deepest) + String(repeating: "]", count: deepest)
        #expect(throws: Never.self) { try JSONParser.parse(Array(fits.utf8)) }
        #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(Array("[\(fits)]".utf8)) }
        #expect(throws: JSONSyntaxError.self) {
            try JSONParser.parse([UInt8](repeating: UInt8(ascii: "["), count: 1_000_000))
        }
    }

    @Test("says where the first wrong byte is")
    func tellsPlace() {
        let error = #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(Array("{\n \"a\": x}".utf8)) }
        #expect(error?.line == 2)
        #expect(error?.column == 7)
        #expect(error?.byteOffset == 8)
    }
}
