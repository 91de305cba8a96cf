import CordonClient
import Testing

@Suite("Detach keys")
struct DetachKeysTests {
    @Test("what is typed passes, but for the keys and what follows them")
    func filters() {
        var keys = DetachKeys.standard
        #expect(keys.filter([1, 2, 3]) == ([1, 2, 3], false))
        #expect(keys.filter([7, 16, 17, 9]) == ([7], true))
    }

    @Test("a beginning of the keys waits for the next byte, and passes when it isn't one of them")
    func holdsPrefix() {
        var keys = DetachKeys.standard
        #expect(keys.filter([16]) == ([], false))
        #expect(keys.filter([65]) == ([16, 65], false))
        #expect(keys.filter([16]) == ([], false))
        #expect(keys.filter([16]) == ([16], false))
        #expect(keys.filter([17]) == ([], true))
    }

    @Test("other keys can be chosen, or none")
    func parses() throws {
        var chosen = try #require(DetachKeys("ctrl-a,d"))
        #expect(chosen.filter([1, 100]) == ([], true))
        var none = try #require(DetachKeys(""))
        #expect(none.filter([16, 17]) == ([16, 17], false))
        for wrong in ["ctrl-", "ctrl-1", "ab", "a,,b", "ä", ","] { #expect(DetachKeys(wrong) == nil, "\(wrong)") }
    }
}
