import CordonAPI
import HummingbirdCore
import NIOCore
import SandboxModel

/// A run as one request follows it, from its start to its result.
struct RunFollower: Sendable {
    let exchange: Exchange
    let started: StartedRun
    let began: ContinuousClock.Instant

    var id: SandboxID { started.sandbox.id }

    /// Waits for the end, for as long as the client is there.
    func finish() async throws -> FinishedRun {
        let (service, id) = (exchange.service, id)
        return try await exchange.connection.whilePresent { try await service.finishRun(id) }
    }

    /// The run's output, for as long as the request lasts; nil where there never was a program.
    func output(_ stream: OutputStream) async throws -> StreamPieces? {
        guard let program = started.program, program.status.ending?.reason != .failedToStart else { return nil }
        let reader = try await exchange.service.output(stream, of: RunSpec.execID, in: id)
        exchange.scope.atEnd { await reader.close() }
        return StreamPieces(reader: reader, pieceBytes: exchange.front.options.pieceBytes)
    }

    /// Everything there is to say about a run that is over, its output included.
    func result(of run: FinishedRun) async throws -> RunBody {
        var outputs: [CompletedBody.Output] = []
        for (name, stream) in [("stdout", OutputStream.stdout), ("stderr", .stderr)] {
            let pieces =
                try await output(stream)
                ?? StreamPieces(
                    reader: SilentStream(), pieceBytes: exchange.front.options.pieceBytes)
            outputs.append(
                try await .init(name: name, pieces: pieces, limit: exchange.front.options.maximumOutputBytes))
        }
        return try body(of: run, outputs: outputs)
    }

    /// The same without output, which was sent before.
    func body(of run: FinishedRun, outputs: [CompletedBody.Output]) throws -> RunBody {
        guard let ending = run.program?.status.ending ?? run.sandbox.status.ending else {
            throw CordonError(.internal, "a run that is over has no ending")
        }
        let ran = run.program?.startedAt.map { ending.at.microseconds - $0.microseconds }
        let timings = RunTimings(
            create: started.creating.inSeconds, files: started.writing.inSeconds, start: started.starting.inSeconds,
            run: ran.map { Double(max(0, $0)) / 1e6 }, finish: run.finishing.inSeconds,
            total: (ContinuousClock.now - began).inSeconds)
        return RunBody(
            started: RunStarted(sandboxID: id.text, execID: RunSpec.execID.text), result: EndResult(ending),
            outputs: outputs, files: run.outputs, timings: timings)
    }
}

/// The stream of a program that never ran.
private struct SilentStream: OutputReader {
    func extent() throws -> StreamExtent { StreamExtent(first: 0, end: 0, closed: true) }
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> StreamRead { .end }
    func waitBeyond(_ offset: UInt64, upTo limit: Duration) async throws -> StreamExtent { try extent() }
    func close() async {}
}
