import FoundationEssentials
import SandboxModel

/// What takes what a client writes to an exec's stdin.
protocol InputFeeder: Sendable {
    /// Returns once all is accepted; what was accepted before is passed over. Throws `failedPrecondition` where stdin
    /// is closed before, or the offset lies beyond what was accepted.
    func write(_ data: Data, at start: UInt64, end: Bool) async throws
}

/// Writes to a process's stdin, at the pace at which it is read.
struct StdinFeeder: InputFeeder {
    /// What the engine is given at once.
    private static let pieceBytes = 64 * 1024
    private static let step: Duration = .seconds(15)

    let call: Call
    let sandbox: SandboxID
    let exec: ExecID

    func write(_ data: Data, at start: UInt64, end: Bool) async throws {
        let (last, overflows) = start.addingReportingOverflow(UInt64(data.count))
        guard !overflows else { throw CordonError.invalid(field: "offset", value: "\(start)", rule: "a byte's place") }
        var offset = start
        repeat {
            try Task.checkCancellation()
            let from = data.index(data.startIndex, offsetBy: Int(offset - start))
            let piece = data[from...].prefix(Self.pieceBytes)
            let isLast = offset + UInt64(piece.count) == last
            let state = try await write([UInt8](piece), at: offset, end: end && isLast)
            if state.accepted >= last, !end || state.closed { return }
            guard !state.closed else { throw CordonError(.failedPrecondition, "stdin of exec \(exec) is closed") }
            offset = min(max(offset, state.accepted), last)
        } while true
    }

    private func write(_ bytes: [UInt8], at offset: UInt64, end: Bool) async throws -> StdinState {
        do {
            return try await call.service.writeStdin(
                of: exec, in: sandbox, offset: offset, bytes: bytes, end: end, upTo: Self.step)
        } catch let error as CordonError where error.code == .outOfRange {
            throw CordonError(.failedPrecondition, error.message)
        }
    }
}
