import NIOCore
import NIOPosix
import SandboxModel
import ShimProtocol
import Synchronization

/// The service's end of a conversation with a file agent. What comes is hostile: frames are bounded,
/// no more is read than somebody waits for, and silence ends it.
final class AgentConnection: Sendable {
    /// How long the agent may say nothing while it is waited for. While something is sent to it, it may take
    /// nothing for as long as it says that it works.
    static let patience: TimeAmount = .seconds(30)

    private let channel: any Channel
    private let inbox: NIOLoopBound<AgentInbox>
    private let word: AgentWord

    private init(channel: any Channel, inbox: NIOLoopBound<AgentInbox>, word: AgentWord) {
        self.channel = channel
        self.inbox = inbox
        self.word = word
    }

    /// Connects to a shim's socket and has it start an agent. Throws the shim's refusal. Where the caller runs on an
    /// event loop, the connection does, too: no thread is woken for a piece that goes from one to the other.
    static func open(_ path: String, as user: String, on group: any EventLoopGroup) async throws -> AgentConnection {
        let word = AgentWord()
        let channel = try await ClientBootstrap(group: group.nearest)
            .channelOption(.autoRead, value: false)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 1024, initial: 4096, maximum: 256 * 1024)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AgentInbox(patience: patience, word: word))
                }
            }
            .connect(unixDomainSocketPath: path).get()
        let inbox = try await channel.eventLoop.submit {
            NIOLoopBound(
                try channel.pipeline.syncOperations.handler(type: AgentInbox.self), eventLoop: channel.eventLoop)
        }.get()
        let connection = AgentConnection(channel: channel, inbox: inbox, word: word)
        do {
            try await connection.send(OpenFiles(user: user))
            _ = try await connection.next(FilesReady.self)
        } catch {
            connection.close()
            throw error
        }
        return connection
    }

    /// Sends a message; returns once the socket has taken it.
    func send(_ message: some Message) async throws {
        let bytes = ByteBuffer(bytes: Frame.bytes(message, request: 0))
        let (loop, channel, inbox, start) = (channel.eventLoop, channel, inbox, NIODeadline.now())
        let timer = loop.scheduleRepeatedTask(initialDelay: .seconds(10), delay: .seconds(10)) { _ in
            if inbox.value.isSilent(since: start, patience: Self.patience) { channel.close(promise: nil) }
        }
        defer { timer.cancel() }
        try await untilCancelled {
            do {
                try await channel.writeAndFlush(bytes).get()
            } catch is ChannelError { throw AgentGone() } catch is IOError { throw AgentGone() }
        }
    }

    /// The next message, which must be of this type. Throws a `Fault`, or the shim's `Failure`.
    func next<Body: Message>(_ type: Body.Type) async throws -> Body {
        let frame = try await next()
        switch MessageType(rawValue: frame.type) {
        case .failure: throw try frame.decode(Failure.self)
        case .fileFault: throw try frame.decode(Fault.self)
        default: return try frame.decode(type)
        }
    }

    func next() async throws -> Frame {
        let inbox = inbox
        return try await untilCancelled { [channel] in
            try await channel.eventLoop.flatSubmit { inbox.value.next() }.get()
        }
    }

    /// From here on what the agent says is heard (`hasWord`), though nobody waits for it.
    func listen() async throws {
        let inbox = inbox
        try await channel.eventLoop.submit { inbox.value.listen() }.get()
    }

    /// Whether the agent has said something that nobody has taken yet, or is gone.
    var hasWord: Bool { word.isThere }

    func close() { channel.close(promise: nil) }

    private func untilCancelled<Value: Sendable>(
        _ work: @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withTaskCancellationHandler {
            try await work()
        } onCancel: {
            channel.close(promise: nil)
        }
    }
}

/// The agent is gone, or was cut off: for its silence, for nonsense, or with its sandbox.
struct AgentGone: Error {}

/// Whether an agent has said something, for whoever isn't on its event loop.
private final class AgentWord: Sendable {
    private let flag = Atomic(false)

    var isThere: Bool {
        get { flag.load(ordering: .acquiring) }
        set { flag.store(newValue, ordering: .releasing) }
    }
}

/// Cuts what an agent sends into frames, one reading ahead.
private final class AgentInbox: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let patience: TimeAmount
    private var context: ChannelHandlerContext?
    private let word: AgentWord
    private var assembler = FrameAssembler(keeping: Frame.maximumSize)
    private var frames: CircularBuffer<Frame> = [] { didSet { word.isThere = isOver || !frames.isEmpty } }
    private var isListening = false
    private var waiter: EventLoopPromise<Frame>?
    private var timer: Scheduled<Void>?
    private var isReading = false
    private var isOver = false { didSet { word.isThere = isOver || !frames.isEmpty } }
    private var lastHeard = NIODeadline.uptimeNanoseconds(0)

    init(patience: TimeAmount, word: AgentWord) {
        self.patience = patience
        self.word = word
    }

    func listen() {
        isListening = true
        readAhead()
    }

    /// Whether nothing was heard for too long, as far as is known: what has come is taken first.
    func isSilent(since start: NIODeadline, patience: TimeAmount) -> Bool {
        readAhead()
        return NIODeadline.now() - max(start, lastHeard) > patience
    }

    func next() -> EventLoopFuture<Frame> {
        isListening = false
        guard let context else { return failed() }
        if let frame = frames.popFirst() {
            readAhead()
            return context.eventLoop.makeSucceededFuture(frame)
        }
        guard !isOver, waiter == nil else { return context.eventLoop.makeFailedFuture(AgentGone()) }
        let promise = context.eventLoop.makePromise(of: Frame.self)
        waiter = promise
        startTimer(context)
        readAhead()
        return promise.futureResult
    }

    private func failed() -> EventLoopFuture<Frame> {
        MultiThreadedEventLoopGroup.singleton.any().makeFailedFuture(AgentGone())
    }

    private func startTimer(_ context: ChannelHandlerContext) {
        timer?.cancel()
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
    }

    private func readAhead() {
        guard frames.isEmpty, !isReading, !isOver, let context else { return }
        isReading = true
        context.read()
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastHeard = .now()
        assembler.append(unwrapInboundIn(data).readableBytesView)
        do {
            while let frame = try assembler.next() {
                // It goes on: that is all that this says.
                if frame.type == MessageType.working.rawValue {
                    if waiter != nil { startTimer(context) }
                } else {
                    frames.append(frame)
                }
            }
        } catch {
            context.close(promise: nil)
            return
        }
        if let waiter, let frame = frames.popFirst() {
            self.waiter = nil
            timer?.cancel()
            waiter.succeed(frame)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        // A frame takes several readings; a waiting caller wants the whole of it.
        if waiter != nil || isListening { readAhead() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        isOver = true
        timer?.cancel()
        waiter?.fail(AgentGone())
        waiter = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
