import SandboxModel
import Synchronization

/// The `Date` field, made once a second.
final class HTTPDate: Sendable {
    private let last = Mutex<(second: Int64, text: String)>((-1, ""))

    func now() -> String {
        let second = Timestamp.now().microseconds / 1_000_000
        return last.withLock { last in
            if last.second != second { last = (second, Self.format(second)) }
            return last.text
        }
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
    static func format(_ second: Int64) -> String {
        let days = second / 86_400
        let ofDay = second % 86_400
        let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][Int(days % 7)]
        var day = days
        var year: Int64 = 1970
        while day >= length(of: year) {
            day -= length(of: year)
            year += 1
        }
        let months = [31, length(of: year) == 366 ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        var month = 0
        while day >= Int64(months[month]) {
            day -= Int64(months[month])
            month += 1
        }
        let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month]
        return
            "\(weekday), \(two(day + 1)) \(name) \(year) \(two(ofDay / 3600)):\(two(ofDay / 60 % 60)):\(two(ofDay % 60)) GMT"
    }

    private static func length(of year: Int64) -> Int64 {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 366 : 365
    }

    private static func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
