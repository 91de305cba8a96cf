import CordonAPI
import HummingbirdCore
import SandboxModel

/// All streams of an exec on one WebSocket connection.
enum AttachRoutes {
    /// Where a reader begins.
    private enum Start {
        case offset(UInt64)
        case end
    }

    /// Checks all that can be wrong with the request while a problem can still be answered.
    static func attach(_ exchange: Exchange) async throws -> WebSocketAcceptance {
        let handshake = try WebSocketHandshake(exchange.request)
        let (name, isNamed) = try handshake.choose(from: [AttachProtocol.name] + KubernetesSession.names)
        let isOurs = name == AttachProtocol.name
        let query = try exchange.query(
            ["stdout_offset", "stderr_offset", "stdin"] + (isOurs ? [] : ["stdout", "stderr", "tty"]))
        var starts = [(OutputStream.stdout, try start(query, .stdout)), (.stderr, try start(query, .stderr))]
        // Kubernetes' clients name the streams that they want.
        try starts.removeAll { try query.text($0.0.name) != nil && !query.flag($0.0.name) }
        let isReadOnly = query.text("stdin") != nil ? try !query.flag("stdin") : false
        let (id, exec) = (try exchange.sandboxID(), try exchange.execID())
        let snapshot = try await exchange.service.exec(exec, in: id)
        var streams: [AttachedStream] = []
        for (stream, start) in starts { streams.append(try await open(stream, of: exec, in: id, start, exchange)) }
        let stdin = StdinWriter(
            service: exchange.service, exec: exec, sandbox: id, waitStep: exchange.front.options.waitStep)
        let state = try await stdinState(exchange, exec, id)
        guard exchange.front.waits.take() else {
            throw CordonError(.resourceExhausted, "too many requests are waiting", retryAfter: .seconds(1))
        }
        exchange.scope.atEnd { [front = exchange.front] in front.waits.giveBack() }
        let attachment = Attachment(
            service: exchange.service, caller: try exchange.caller(), exec: snapshot, streams: streams, stdin: stdin,
            isReadOnly: isReadOnly,
            requestID: exchange.requestID, waitStep: exchange.front.options.waitStep)
        return WebSocketAcceptance(handshake, subprotocol: isNamed ? name : nil) { socket in
            if isOurs {
                try await CordonSession(attachment: attachment, socket: socket).run(from: state)
            } else {
                try await KubernetesSession(attachment: attachment, socket: socket, name: name).run(from: state)
            }
        }
    }

    private static func start(_ query: Query, _ stream: OutputStream) throws(CordonError) -> Start {
        let name = stream.name + "_offset"
        if query.text(name) == "end" { return .end }
        return .offset(try query.whole(name, in: 0...UInt64.max) ?? 0)
    }

    private static func open(
        _ stream: OutputStream, of exec: ExecID, in id: SandboxID, _ start: Start, _ exchange: Exchange
    ) async throws -> AttachedStream {
        let reader = try await exchange.service.output(stream, of: exec, in: id)
        exchange.scope.atEnd { await reader.close() }
        let extent = try reader.extent()
        let offset: UInt64
        switch start {
        case .end: offset = extent.end
        case .offset(let given):
            guard given <= extent.end else {
                throw CordonError(
                    .outOfRange, "\(stream.name) has \(extent.end) bytes so far", field: stream.name + "_offset",
                    value: String(given), rule: "at most \(extent.end), or end", detail: ["end": String(extent.end)])
            }
            offset = given
        }
        return AttachedStream(
            stream: stream, pieces: StreamPieces(reader: reader, pieceBytes: exchange.front.options.pieceBytes),
            start: offset)
    }

    /// How far stdin has got; closed where its process's sandbox is over.
    private static func stdinState(_ exchange: Exchange, _ exec: ExecID, _ id: SandboxID) async throws -> StdinState {
        do {
            return try await exchange.service.stdinState(of: exec, in: id)
        } catch let error as CordonError where error.code == .failedPrecondition || error.code == .notFound {
            return StdinState(accepted: 0, closed: true)
        }
    }
}

/// One stream of an attached exec, and where its reader begins.
struct AttachedStream: Sendable {
    let stream: OutputStream
    let pieces: StreamPieces
    let start: UInt64
}

/// What a client is attached to.
struct Attachment: Sendable {
    let service: any SandboxService
    let caller: Caller
    let exec: ExecSnapshot
    let streams: [AttachedStream]
    let stdin: StdinWriter
    let isReadOnly: Bool
    let requestID: String
    let waitStep: Duration

    /// The exec, once it is over.
    func ending() async throws -> Ending {
        var latest = exec
        while true {
            if let ending = latest.status.ending { return ending }
            // A wait that is cancelled answers at once: without this the loop would spin until the exec ends.
            try Task.checkCancellation()
            latest = try await service.wait(for: exec.id, in: exec.sandbox, upTo: waitStep)
        }
    }

    func problem(_ error: CordonError) -> Problem {
        let status = ProblemAnswer.status(of: error.code)
        return Problem(error: error, status: status.code, title: status.reasonPhrase, requestID: requestID)
    }
}

extension OutputStream {
    /// Its name in the API.
    var name: String {
        switch self {
        case .stdout: "stdout"
        case .stderr: "stderr"
        }
    }
}
