import CordonAPI
import Foundation
import SandboxModel
import Testing

@Suite("Values of the API")
struct ValueTests {
    @Test(
        "a time is written with microseconds in UTC and read back exactly",
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"), (951_782_399_999_999, "2000-02-28T23:59:59.999999Z"),
            (951_868_799_000_001, "2000-02-29T23:59:59.000001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"), (4_102_444_800_000_000, "2100-01-01T00:00:00.000000Z"),
        ])
    func timesRoundTrip(_ microseconds: Int, _ text: String) {
        let time = APITime(Timestamp(microseconds: Int64(microseconds)))
        #expect(time.description == text)
        #expect(APITime(text) == time)
    }

    @Test(
        "a time beyond the years that can be written is the nearest that can",
        arguments: [
            (Int64.min, "0000-01-01T00:00:00.000000Z"), (-9_223_372_036_854_000_000, "0000-01-01T00:00:00.000000Z"),
            (-62_167_219_200_000_000, "0000-01-01T00:00:00.000000Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"), (.max, "9999-12-31T23:59:59.999999Z"),
        ])
    func farTimes(_ microseconds: Int64, _ text: String) {
        #expect(APITime(Timestamp(microseconds: microseconds)).description == text)
    }

    @Test("times agree with Foundation's calendar over four centuries")
    func timesAgree() throws {
        let formatter = ISO8601DateFormatter()
        for day in stride(from: -60_000, through: 90_000, by: 37) {
            let seconds = Int64(day) * 86_400 + 45_296
            let ours = APITime(Timestamp(microseconds: seconds * 1_000_000)).description
            let theirs = formatter.string(from: Date(timeIntervalSince1970: TimeInterval(seconds)))
            #expect(ours == theirs.dropLast() + ".000000Z")
        }
    }

    @Test(
        "offsets and fractions of any length are understood",
        arguments: ["2026-01-01T01:30:00.5+01:30", "2026-01-01t00:00:00.500000999Z", "2025-12-31T23:00:00.5-01:00"])
    func readsTimes(_ text: String) {
        #expect(APITime(text)?.description == "2026-01-01T00:00:00.500000Z")
    }

    @Test(
        "what isn't a time is none",
        arguments: [
            "", "2026-01-01", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "2026-1-1T00:00:00Z",
        ])
    func refusesTimes(_ text: String) {
        #expect(APITime(text) == nil)
    }

    @Test("base64 is Foundation's, both ways")
    func base64() throws {
        for count in 0..<100 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
            let text = String(decoding: Base64.encode(bytes), as: UTF8.self)
            #expect(text == Data(bytes).base64EncodedString())
            #expect(Base64.decode(text) == bytes)
        }
    }

    @Test(
        "base64 that isn't padded, clean or canonical is refused",
        arguments: ["a", "ab", "abc", "ab=c", "a===", "ab\n=", "YR==", "YWJ=", "====", "-_=="])
    func refusesBase64(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test("a signal has a number and a name, with or without SIG")
    func signals() {
        #expect(SignalName.number("TERM") == SIGTERM)
        #expect(SignalName.number("sigkill") == SIGKILL)
        #expect(SignalName.number("SYS") == SIGSYS)
        #expect(SignalName.number("64") == 64)
        #expect(SignalName.number("0") == nil && SignalName.number("65") == nil && SignalName.number("SIG") == nil)
        #expect(SignalName.name(15) == "SIGTERM")
    }
}
