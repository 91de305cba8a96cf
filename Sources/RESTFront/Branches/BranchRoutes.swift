import CordonAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import SandboxModel

/// A command in several copies of a sandbox, in one call.
enum BranchRoutes {
    static func run(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let id = try exchange.sandboxID()
        let (json, bytes) = try await exchange.jsonBody()
        let (order, key) = (try BranchOrder(json: json), try exchange.idempotencyKey(body: bytes))
        let (caller, service) = (try exchange.caller(), exchange.service)
        // Refused while a problem can still be answered.
        _ = try await service.sandbox(id)
        let encoding = BranchEncoding(exchange: exchange)
        return try await ProgressAnswer<BranchProgress>(exchange: exchange).answer { report in
            let outcome = try await service.branch(id, order, by: caller, key: key) { event in
                await report(await encoding.progress(event))
            }
            var last = BranchProgress(event: "result")
            last.result = await encoding.set(outcome)
            return last
        } whole: { last in
            try .json(last.result)
        }
    }
}

extension BranchProgress: ProgressEvent {
    var mayBeLeftOut: Bool { false }
}

/// What branches have come to, with the ends of what their commands wrote.
private struct BranchEncoding: Sendable {
    private static let tailBytes: UInt64 = 16 << 10

    let exchange: Exchange

    func progress(_ event: BranchEvent) async -> BranchProgress {
        switch event {
        case .snapshot(let image):
            var progress = BranchProgress(event: "snapshot")
            progress.imageID = image.text
            return progress
        case .started(let number, let sandbox):
            var progress = BranchProgress(event: "started")
            (progress.number, progress.sandboxID) = (number, sandbox.text)
            return progress
        case .ended(let result):
            var progress = BranchProgress(event: "ended")
            progress.branch = await branch(result)
            return progress
        }
    }

    func set(_ outcome: BranchOutcome) async -> BranchSet {
        var branches: [Branch] = []
        for result in outcome.branches { branches.append(await branch(result)) }
        return BranchSet(imageID: outcome.image.text, winner: outcome.winner, branches: branches)
    }

    private func branch(_ result: BranchResult) async -> Branch {
        var branch = Branch(
            number: result.number, sandboxID: result.sandbox.text, execID: ExecID.run.text,
            result: EndResult(result.ending), kept: result.isKept)
        branch.imageID = result.image?.text
        if let changes = result.changes {
            branch.changes = changes.changes.map { ImageChange($0) }
            branch.changesTruncated = changes.next != nil
        }
        guard let program = result.program, program.status.ending?.reason != .failedToStart else { return branch }
        let (out, outBytes) = await tail(of: .stdout, result.sandbox)
        let (err, errBytes) = await tail(of: .stderr, result.sandbox)
        (branch.stdoutBytes, branch.stderrBytes) = (outBytes, errBytes)
        (branch.stdout, branch.stdoutBase64) = Self.text(out)
        (branch.stderr, branch.stderrBase64) = Self.text(err)
        return branch
    }

    /// The end of a stream, and how long it is; nothing where it can't be read any more.
    private func tail(of stream: OutputStream, _ sandbox: SandboxID) async -> ([UInt8], UInt64) {
        guard let reader = try? await exchange.service.output(stream, of: .run, in: sandbox) else { return ([], 0) }
        var bytes: [UInt8] = []
        var end: UInt64 = 0
        if let extent = try? reader.extent() {
            end = extent.end
            let start = max(extent.first, end - min(end, Self.tailBytes))
            _ = try? await StreamPieces(reader: reader, pieceBytes: Int(Self.tailBytes)).forEach(in: start..<end) {
                bytes += $0.readableBytesView
            }
        }
        await reader.close()
        return (bytes, end)
    }

    /// Text without the character that is cut at its beginning, or base64.
    private static func text(_ bytes: [UInt8]) -> (String?, String?) {
        for cut in 0...3 where cut <= bytes.count {
            // A character's later bytes are 10xxxxxx.
            guard bytes.prefix(cut).allSatisfy({ $0 & 0xc0 == 0x80 }) else { break }
            if let text = String(validating: bytes.dropFirst(cut), as: UTF8.self) { return (text, nil) }
        }
        return (nil, String(decoding: Base64.encode(bytes), as: UTF8.self))
    }
}
