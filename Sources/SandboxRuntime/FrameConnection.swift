import NIOCore
import NIOPosix
import ShimProtocol
import Synchronization

/// The service's end of a connection to the launcher or to a shim: many requests at a time, each
/// answered once, and reports in between.
final class FrameConnection: Sendable {
    /// The connection ended before the answer came: whether the request was carried out is unknown.
    struct Lost: Error {}

    private struct State {
        var nextRequest: UInt64 = 1
        var isOpen = true
        var waiting: [UInt64: CheckedContinuation<Frame, any Error>] = [:]
    }

    private let channel: any Channel
    private let state = Mutex(State())

    private init(channel: any Channel) { self.channel = channel }

    /// Connects to a unix socket. `onReport` is called on the connection's event loop, in order.
    static func connect(
        to path: String, on group: any EventLoopGroup, onReport: @escaping @Sendable (Frame) -> Void
    ) async throws -> FrameConnection {
        // The handler is there before the connection is: one that is cut at once is seen to be.
        let made = Mutex<FrameConnection?>(nil)
        _ = try await ClientBootstrap(group: group.nearest)
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 2048, maximum: 65_536)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = FrameConnection(channel: channel)
                    made.withLock { $0 = connection }
                    try channel.pipeline.syncOperations.addHandler(
                        FrameHandler(connection: connection, onReport: onReport))
                }
            }
            .connect(unixDomainSocketPath: path).get()
        guard let connection = made.withLock({ $0 }) else { throw Lost() }
        return connection
    }

    var isOpen: Bool { state.withLock { $0.isOpen } }

    /// Returns once the connection is over, everything that came on it having been handled.
    func closed() async { try? await channel.closeFuture.get() }

    func close() { channel.close(promise: nil) }

    /// Sends a message that has no answer.
    func send(_ message: some Message) {
        channel.writeAndFlush(ByteBuffer(bytes: Frame.bytes(message, request: 0)), promise: nil)
    }

    /// Sends a request and returns its answer. Throws `Failure` when it was refused, `Lost` when
    /// the connection ended first. The request goes on when the caller is cancelled.
    func call<Answer: Message>(_ message: some Message, for type: Answer.Type = Answer.self) async throws -> Answer {
        let request = state.withLock {
            $0.nextRequest += 1
            return $0.nextRequest
        }
        let bytes = Frame.bytes(message, request: request)
        let frame: Frame = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isOpen = state.withLock { state in
                    if state.isOpen { state.waiting[request] = continuation }
                    return state.isOpen
                }
                guard isOpen else {
                    continuation.resume(throwing: Lost())
                    return
                }
                if Task.isCancelled { abandon(request) }
                channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
            }
        } onCancel: {
            abandon(request)
        }
        if frame.type == MessageType.failure.rawValue { throw try frame.decode(Failure.self) }
        return try frame.decode(type)
    }

    private func abandon(_ request: UInt64) {
        state.withLock { $0.waiting.removeValue(forKey: request) }?.resume(throwing: CancellationError())
    }

    fileprivate func answer(_ frame: Frame) {
        state.withLock { $0.waiting.removeValue(forKey: frame.request) }?.resume(returning: frame)
    }

    fileprivate func lost() {
        let waiting = state.withLock { state in
            state.isOpen = false
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in waiting { continuation.resume(throwing: Lost()) }
    }
}

/// Cuts what arrives into frames: answers go to those who wait, reports to the owner.
private final class FrameHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let connection: FrameConnection
    private let onReport: @Sendable (Frame) -> Void
    private var assembler = FrameAssembler()

    init(connection: FrameConnection, onReport: @escaping @Sendable (Frame) -> Void) {
        self.connection = connection
        self.onReport = onReport
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        assembler.append(unwrapInboundIn(data).readableBytesView)
        do {
            while let frame = try assembler.next() {
                if frame.request == 0 { onReport(frame) } else { connection.answer(frame) }
            }
        } catch { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        connection.lost()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension EventLoopGroup {
    /// The event loop that the caller runs on, or any: who waits for an answer on a loop is called by it, and no
    /// thread has to be woken on the way.
    var nearest: any EventLoop { MultiThreadedEventLoopGroup.currentEventLoop ?? next() }
}
