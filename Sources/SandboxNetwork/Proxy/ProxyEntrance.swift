import NIOCore
import SandboxModel

/// The beginning of a redirected connection: finds out whose it is, where it was going and under which
/// name, has that judged, and gives it to what passes it on.
final class ProxyEntrance: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case identifying
        case peeking(ProxyCaller)
        case passingOn
        case over
    }

    private let plan: ProxyPlan
    private var state = State.identifying
    private var bytes = ByteBuffer()
    private var ended = false
    private var timer: Scheduled<Void>?

    init(_ plan: ProxyPlan) { self.plan = plan }

    func channelActive(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: plan.limits.opening) { self.timedOut(context) }
        guard let source = context.remoteAddress.flatMap(IPAddress.init(_:)),
            plan.arrivals.admit(source, until: context.channel.closeFuture)
        else { return end(context) }
        let promise = context.eventLoop.makePromise(of: ProxyCaller?.self)
        promise.completeWithTask { [plan, channel = context.channel] in
            guard let sandbox = await plan.directory.sandbox(at: source),
                let place = try await plan.destination.find(channel).get()
            else { return nil }
            return ProxyCaller(sandbox: sandbox, place: place)
        }
        promise.futureResult.assumeIsolated().whenComplete { self.identified(try? $0.get(), context) }
    }

    private func identified(_ caller: ProxyCaller?, _ context: ChannelHandlerContext) {
        guard case .identifying = state else { return }
        // A sandbox has an address of each family, and one bound for both.
        guard let caller, plan.admission.admit(caller.sandbox, until: context.channel.closeFuture) else {
            return end(context)
        }
        state = .peeking(caller)
        let promise = context.eventLoop.makePromise(of: Bool.self)
        promise.completeWithTask { [plan] in
            await plan.resolver.isOpenWithoutName(caller.place.address, for: caller.sandbox)
        }
        promise.futureResult.assumeIsolated().whenSuccess { open in
            guard open else { return self.peek(context) }
            if let rule = self.plan.floor.rule(caller.place.address) { return self.deny(caller, nil, rule, context) }
            self.passOn(caller, name: nil, context)
        }
    }

    /// Also when nothing was to be read: an end that comes brings with it what was sent before.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .over = state { return }
        var piece = unwrapInboundIn(data)
        bytes.writeBuffer(&piece)
    }

    func channelReadComplete(context: ChannelHandlerContext) { peek(context) }

    /// Looks at what has come, and asks for more where it says too little.
    private func peek(_ context: ChannelHandlerContext) {
        guard case .peeking(let caller) = state else { return }
        guard let first = bytes.readableBytesView.first else { return needMore(context) }
        switch first {
        case 22: judgeGreeting(caller, context)
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): beginRequests(caller, context)
        default: deny(caller, nil, "neither TLS nor HTTP", context)
        }
    }

    private func judgeGreeting(_ caller: ProxyCaller, _ context: ChannelHandlerContext) {
        switch ClientHello.read(Array(buffer: bytes)) {
        case .needsMore: needMore(context)
        case .refused(let rule): deny(caller, nil, rule, context)
        case .name(let name):
            state = .passingOn
            let promise = context.eventLoop.makePromise(of: String?.self)
            promise.completeWithTask { [plan] in await plan.refusal(of: name, caller) }
            promise.futureResult.assumeIsolated().whenSuccess { rule in
                if let rule { self.deny(caller, name, rule, context) } else { self.passOn(caller, name: name, context) }
            }
        }
    }

    private func needMore(_ context: ChannelHandlerContext) {
        if ended { end(context) } else { context.read() }
    }

    /// Each request is judged by itself, and the bytes that came are the first's.
    private func beginRequests(_ caller: ProxyCaller, _ context: ChannelHandlerContext) {
        state = .over
        timer?.cancel()
        do {
            try RequestGate.install(on: context, caller, plan)
            context.fireChannelRead(wrapInboundOut(bytes))
            context.fireChannelReadComplete()
            if ended { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        } catch { context.close(promise: nil) }
    }

    /// Connects and sends what was held back.
    private func passOn(_ caller: ProxyCaller, name: String?, _ context: ChannelHandlerContext) {
        state = .passingOn
        ProxyConnector.connect(caller.place, within: plan.limits.connecting, on: context.eventLoop)
            .assumeIsolated().whenComplete { result in
                self.timer?.cancel()
                guard case .success(let far) = result, context.channel.isActive, case .passingOn = self.state else {
                    if case .success(let far) = result { far.close(promise: nil) }
                    return self.end(context)
                }
                do { try self.join(far, caller, name, context) } catch {
                    far.close(promise: nil)
                    self.end(context)
                }
            }
    }

    private func join(
        _ far: any Channel, _ caller: ProxyCaller, _ name: String?, _ context: ChannelHandlerContext
    ) throws {
        state = .over
        let side = BytePipeSide()
        try context.pipeline.syncOperations.addHandler(side, position: .after(self))
        try ProxyConnector.join(side, far)
        plan.connections.note(context.channel, caller, name: name)
        plan.counters.count(.proxied)
        if bytes.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(bytes))
            context.fireChannelReadComplete()
        }
        if ended { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
        try context.channel.syncOptions?.setOption(.autoRead, value: true)
        context.channel.read()
    }

    // MARK: Ends

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        ended = true
        peek(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        state = .over
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { end(context) }

    private func timedOut(_ context: ChannelHandlerContext) {
        if case .peeking(let caller) = state { return deny(caller, nil, "no TLS or HTTP greeting in time", context) }
        end(context)
    }

    private func deny(_ caller: ProxyCaller, _ name: String?, _ rule: String, _ context: ChannelHandlerContext) {
        plan.deny(caller, name: name, rule: rule)
        guard bytes.readableBytesView.first == 22 else { return end(context) }
        // The alert access_denied (49), fatal, as clients show it.
        let alert = ByteBuffer(bytes: [21, 3, 1, 0, 2, 2, 49])
        state = .over
        timer?.cancel()
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(alert), promise: written)
    }

    private func end(_ context: ChannelHandlerContext) {
        state = .over
        timer?.cancel()
        context.close(promise: nil)
    }
}
