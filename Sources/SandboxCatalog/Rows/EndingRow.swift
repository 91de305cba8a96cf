import Foundation
import SandboxModel

/// An ending as JSON on disk, under the same promise as `SandboxSpecRow`.
struct EndingRow: Codable {
    var reason: String
    var exitCode: Int?
    var signal: Int?
    var waitStatus: Int32?
    var detail: String?
    var at: Int64

    enum CodingKeys: String, CodingKey {
        case reason, signal, detail, at
        case exitCode = "exit_code"
        case waitStatus = "wait_status"
    }

    init(_ ending: Ending) {
        reason = ending.reason.rawValue
        exitCode = ending.exitCode
        signal = ending.signal
        waitStatus = ending.waitStatus
        detail = ending.detail
        at = ending.at.microseconds
    }

    func ending() throws -> Ending {
        Ending(
            try RowShape.value(reason, of: EndingReason.self), exitCode: exitCode, signal: signal,
            waitStatus: waitStatus, detail: detail, at: Timestamp(microseconds: at))
    }
}
