import NIOCore
import SandboxModel

/// Writes to an exec's stdin by offset, at the pace at which it is read.
struct StdinWriter: Sendable {
    /// What the engine is given at once.
    static let pieceBytes = 64 * 1024

    let service: any SandboxService
    let exec: ExecID
    let sandbox: SandboxID
    let waitStep: Duration

    /// Returns once all is accepted or stdin is closed; bytes that were accepted before are skipped. Throws
    /// `outOfRange` for bytes that no stream is long enough for.
    func write(_ buffer: ByteBuffer, at start: UInt64) async throws -> StdinState {
        guard !start.addingReportingOverflow(UInt64(buffer.readableBytes)).overflow else {
            throw CordonError(.outOfRange, "stdin has no byte \(start)", field: "offset")
        }
        var rest = buffer
        var offset = start
        while true {
            let bytes = rest.readBytes(length: min(Self.pieceBytes, rest.readableBytes)) ?? []
            let state = try await write(bytes, at: offset)
            offset += UInt64(bytes.count)
            if rest.readableBytes == 0 || state.closed || state.accepted < offset { return state }
        }
    }

    /// Returns once the end, behind the byte before `offset`, is accepted or stdin is closed anyhow.
    func end(at offset: UInt64) async throws -> StdinState {
        while true {
            let state = try await service.writeStdin(
                of: exec, in: sandbox, offset: offset, bytes: [], end: true, upTo: waitStep)
            if state.closed { return state }
        }
    }

    private func write(_ bytes: [UInt8], at offset: UInt64) async throws -> StdinState {
        var accepted = 0
        while true {
            let state = try await service.writeStdin(
                of: exec, in: sandbox, offset: offset + UInt64(accepted), bytes: Array(bytes[accepted...]), end: false,
                upTo: waitStep)
            if state.closed || state.accepted >= offset + UInt64(bytes.count) { return state }
            accepted = min(max(accepted, Int(clamping: state.accepted) - Int(clamping: offset)), bytes.count)
        }
    }
}
