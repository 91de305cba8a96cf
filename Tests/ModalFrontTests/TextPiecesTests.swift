import Foundation
import ModalFront
import Testing

@Suite struct TextPiecesTests {
    @Test("no piece of text ends inside of a character, wherever the bytes are cut")
    func cutAnywhere() {
        let text = "a\u{e9}\u{20ac}\u{1f600}b\u{fc}"
        let bytes = Data(text.utf8)
        for cut in 0...bytes.count {
            var pieces = TextPieces(at: 0)
            var read = ""
            for part in [bytes[..<cut], bytes[cut...]] {
                let piece = pieces.take(Data(part)) ?? ""
                #expect(!piece.contains("\u{fffd}"))
                read += piece
                #expect(Int(pieces.offset) == read.utf8.count)
            }
            read += pieces.finish() ?? ""
            #expect(read == text)
        }
    }

    @Test("bytes that are no UTF-8 show as U+FFFD, and are counted")
    func broken() {
        var pieces = TextPieces(at: 10)
        #expect(pieces.take(Data([0x61, 0xff, 0x62])) == "a\u{fffd}b")
        #expect(pieces.offset == 13)
        #expect(pieces.take(Data([0xe2, 0x82])) == nil)
        #expect(pieces.offset == 13)
        #expect(pieces.finish() == "\u{fffd}")
        #expect(pieces.offset == 15)
    }

    @Test("a gap counts what nobody got, the torn character before it included")
    func gap() {
        var pieces = TextPieces(at: 0)
        _ = pieces.take(Data([0x61, 0xe2]))
        #expect(pieces.skip(to: 100) == 99)
        #expect(pieces.take(Data([0x62])) == "b")
        #expect(pieces.offset == 101)
    }
}
