import FrontConnections
import NIOCore
import SandboxModel

/// One request and its answer: admitted by its own token, taken to the sandbox on a connection of its own, and
/// brought back. On one event loop alone.
///
/// Nothing is shared with any other request: whatever a server inside sends on this connection can answer this
/// request and no other.
final class Exchange {
    private enum Phase {
        case admitting
        case open(SandboxHandler)
        case over
    }

    /// How long it takes until a token that was taken back is noticed, in microseconds.
    private static let lookAgain: Int64 = 1_000_000

    private let front: FrontState
    private let request: RequestHead
    private let address: ClientAddress
    private let eventLoop: any EventLoop
    private unowned let client: any ExchangeClient
    private var phase = Phase.admitting
    private var account: ExchangeAccount
    private var resources: ExchangeResources?
    private var setCookie: String?
    private var hasAnswered = false
    private var isWebSocket = false
    private var bodyLeft: Int?
    private var webSocketKey: WebSocketKey?
    private var timer: Scheduled<Void>?
    private var expiry: Scheduled<Void>?

    init(
        _ request: RequestHead, from address: ClientAddress, of client: any ExchangeClient, front: FrontState,
        eventLoop: any EventLoop
    ) {
        self.request = request
        self.address = address
        self.client = client
        self.front = front
        self.eventLoop = eventLoop
        account = ExchangeAccount(request)
        if case .length(let bytes) = request.body { bodyLeft = bytes }
    }

    var isOver: Bool { if case .over = phase { true } else { false } }

    /// Whether more of the request's body may be given now.
    var takesBody: Bool { if case .open(let sandbox) = phase { sandbox.hasRoom } else { false } }

    /// Admits the request and opens its way, or answers it.
    func start() {
        do throws(Refusal) {
            let admitted = try front.admission.admit(request)
            account.note(admitted.grant)
            if let token = admitted.cookieToken {
                setCookie = TokenCookie.field(
                    token, until: admitted.grant.expiresAt, now: .now(), isSecure: front.admission.address.isSecure)
            }
            if let setCookie, let page = CleanAddress(for: admitted.head, cookie: setCookie) {
                return answer(page.head, ByteBuffer())
            }
            guard let resources = ExchangeResources(front, admitted.grant) else { throw .busy }
            self.resources = resources
            open(admitted, resources)
        } catch { refuse(error) }
    }

    private func open(_ admitted: AdmittedRequest, _ resources: ExchangeResources) {
        let handler = NIOLoopBound(SandboxHandler(method: request.method), eventLoop: eventLoop)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let (ports, grant) = (front.ports, admitted.grant)
        let way = eventLoop.makeFutureWithTask { try await resources.connect(ports, grant, to: handler) }
        way.map { channel in
            let (exchange, handler) = (bound.value, handler.value)
            // Whoever asked may have left meanwhile, and so may the server.
            guard !exchange.isOver, !handler.hasEnded else {
                channel.close(promise: nil)
                return exchange.fail(.noAnswer)
            }
            handler.exchange = exchange
            exchange.opened(handler, admitted, channel)
        }.whenFailure { error in bound.value.fail(Refusal(connecting: error)) }
    }

    private func opened(_ sandbox: SandboxHandler, _ admitted: AdmittedRequest, _ channel: any Channel) {
        phase = .open(sandbox)
        if request.isWebSocket, request.version == .http2 { webSocketKey = WebSocketKey() }
        let head = admitted.head.forwarded(for: admitted.grant, from: address, key: webSocketKey?.text)
        sandbox.send(head, on: channel)
        startTimer(front.options.answerTimeout, .silent)
        watch(admitted.grant)
        client.goOn()
    }

    /// What a token allows ends with it, also in the middle: when it expires, or is taken back.
    private func watch(_ grant: ConnectGrant) {
        let left = grant.expiresAt.microseconds - Timestamp.now().microseconds
        guard left > 0 else { return fail(.badToken("the connect token has expired")) }
        guard !front.admission.verifier.isRevoked(grant) else {
            return fail(.badToken("the connect token was taken back"))
        }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        expiry = eventLoop.scheduleTask(in: .microseconds(min(left, Self.lookAgain))) { bound.value.watch(grant) }
    }

    // MARK: From the client

    func clientSent(_ bytes: ByteBuffer) {
        guard case .open(let sandbox) = phase, bytes.readableBytes > 0 else { return }
        account.bytesIn += bytes.readableBytes
        if let left = bodyLeft {
            // HTTP/2 counts for itself; this is what was promised to the sandbox.
            guard bytes.readableBytes <= left else { return fail(Refusal(MalformedMessage("a body longer than said"))) }
            bodyLeft = left - bytes.readableBytes
        }
        if !hasAnswered { startTimer(front.options.answerTimeout, .silent) }
        sandbox.send(bytes, isChunked: request.body == .chunked && !isWebSocket)
    }

    /// The request is complete; of a WebSocket, the client's side.
    func clientEnded() {
        guard case .open(let sandbox) = phase else { return }
        guard bodyLeft ?? 0 == 0 else { return fail(Refusal(MalformedMessage("a body shorter than said"))) }
        if isWebSocket {
            sandbox.closeOutput()
            // A WebSocket whose one side is closed is on its way to the end.
            startTimer(front.options.clientTimeout, .silent)
        } else if request.body == .chunked {
            sandbox.sendLastChunk()
        }
    }

    /// What the client sends isn't what it began with.
    func clientFailed(_ refusal: Refusal) { fail(refusal) }

    /// Nobody waits for the answer any more.
    func clientLeft() { end(isWhole: false) }

    func clientHasRoom() { if case .open(let sandbox) = phase { sandbox.resumeReading() } }

    // MARK: From the sandbox

    var clientHasRoomNow: Bool { client.hasRoom }

    func sandboxHasRoom() { client.goOn() }

    func sandboxAnswered(_ head: ResponseHead) {
        guard !isOver else { return }
        if head.status == 101 { return accept(head) }
        var answer = head.forwarded(isWebSocket: false)
        if head.isInformational {
            guard request.version != .http10, head.status != 100 || !request.fields["expect"].isEmpty else { return }
            return client.send(answer)
        }
        timer?.cancel()
        if let setCookie { answer.fields.append("Set-Cookie", setCookie) }
        hasAnswered = true
        account.status = head.status
        client.send(answer)
    }

    /// The server agrees to a WebSocket. One that nobody asked for would let it answer requests of others.
    private func accept(_ head: ResponseHead) {
        guard case .open(let sandbox) = phase, request.isWebSocket,
            head.fields.elements(of: "upgrade") == ["websocket"],
            webSocketKey?.isAnswered(by: head.fields["sec-websocket-accept"]) ?? true
        else { return fail(.badAnswer) }
        timer?.cancel()
        (hasAnswered, isWebSocket) = (true, true)
        account.status = 101
        account.isWebSocket = true
        sandbox.becomeWebSocket()
        var answer = head.forwarded(isWebSocket: request.version != .http2)
        if let setCookie { answer.fields.append("Set-Cookie", setCookie) }
        if request.version == .http2 {
            answer.fields.remove("sec-websocket-accept")
            (answer.status, answer.reason) = (200, "OK")
        }
        client.becomeWebSocket(answer)
    }

    func sandboxSent(_ bytes: ByteBuffer) {
        guard !isOver else { return }
        account.bytesOut += bytes.readableBytes
        client.send(bytes)
    }

    func sandboxEnded() {
        guard !isOver else { return }
        if isWebSocket {
            client.closeOutput()
            return startTimer(front.options.clientTimeout, .silent)
        }
        end(isWhole: true)
        client.finish()
    }

    /// The connection to the sandbox is closed, both ways.
    func sandboxClosed() {
        guard !isOver else { return }
        if isWebSocket {
            end(isWhole: true)
            return client.finish()
        }
        fail(.noAnswer)
    }

    func sandboxFailed() { fail(.badAnswer) }

    // MARK: The end

    private func fail(_ refusal: Refusal) {
        guard !isOver else { return }
        if !hasAnswered { return refuse(refusal) }
        end(isWhole: false)
        client.breakOff()
    }

    private func refuse(_ refusal: Refusal) {
        let page = RefusalPage(refusal, to: request, requestID: account.requestID)
        answer(page.head, page.body)
    }

    /// Answers in the sandbox's place.
    private func answer(_ head: ResponseHead, _ body: ByteBuffer) {
        hasAnswered = true
        account.status = head.status
        account.bytesOut += body.readableBytes
        end(isWhole: true)
        client.send(head)
        if body.readableBytes > 0 { client.send(body) }
        client.finish()
    }

    private func end(isWhole: Bool) {
        guard !isOver else { return }
        let last = phase
        // First: what is closed below calls back.
        phase = .over
        if case .open(let sandbox) = last { sandbox.close() }
        timer?.cancel()
        expiry?.cancel()
        resources?.release()
        front.observer?.answered(account.closed(isWhole: isWhole))
    }

    private func startTimer(_ limit: Duration, _ refusal: Refusal) {
        timer?.cancel()
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleTask(in: TimeAmount(limit)) { bound.value.fail(refusal) }
    }
}
