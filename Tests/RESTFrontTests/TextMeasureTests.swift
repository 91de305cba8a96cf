import RESTFront
import Testing

@Suite("Telling text from bytes")
struct TextMeasureTests {
    @Test("agrees with the standard library about what is UTF-8, however it is cut")
    func agrees() {
        var generator = SystemRandomNumberGenerator()
        let interesting: [UInt8] = [
            0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0,
            0xf1, 0xf4, 0xf5, 0xff,
        ]
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...6, using: &generator)).compactMap { _ in
                interesting.randomElement(using: &generator)
            }
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            var measure = TextMeasure()
            measure.take(bytes[..<cut])
            measure.take(bytes[cut...])
            #expect(measure.isComplete == (String(validating: bytes, as: UTF8.self) != nil), "\(bytes)")
        }
    }
}
