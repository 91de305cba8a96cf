import ConnectFront
import Foundation
import Logging
import NIOCore
import NIOPosix
import SandboxModel
import ServiceLifecycle
import Synchronization

/// A server on the host in a sandbox's place, and what the proxy did with it.
final class LoopbackSandbox: SandboxPorts, ConnectTokenVerifier, Sendable {
    struct State {
        var leases = 0
        var open = 0
        var received = ""
        var ended = false
        var isRevoked = false
        var answered: [AnsweredConnectRequest] = []
    }

    let id = SandboxID.mint()
    let state = Mutex(State())
    private let listener: any Channel

    /// - Parameter answer: what is sent to everybody who has sent something; nothing where it is nil.
    init(answer: String?) async throws {
        let reply = answer.map { ByteBuffer(string: $0) }
        let box = Mutex<LoopbackSandbox?>(nil)
        let shared = Shared(box: box)
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Answering(shared: shared, reply: reply))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        shared.box.withLock { $0 = self }
    }

    func connect(to port: UInt16, of id: SandboxID) async throws -> SandboxConnection {
        let (ended, place) = (state.withLock { $0.ended }, listener.localAddress?.port ?? 0)
        guard !ended else { throw CordonError(.failedPrecondition, "over") }
        return SandboxConnection(owning: try Wire.open(place))
    }

    func lease(on id: SandboxID) async throws -> any SandboxLease {
        state.withLock { $0.leases += 1 }
        return Lease(sandbox: self)
    }

    func grant(of token: String) throws(CordonError) -> ConnectGrant {
        guard token == "ct-" + String(repeating: "t", count: 80) else { throw CordonError(.unauthenticated, "bad") }
        return ConnectGrant(
            sandbox: id, port: 8080, metadata: nil,
            expiresAt: Timestamp(microseconds: Timestamp.now().microseconds + 60_000_000))
    }

    func isRevoked(_ grant: ConnectGrant) -> Bool { state.withLock(\.isRevoked) }

    static let fields = "Host: x\r\nAuthorization: Bearer ct-\(String(repeating: "t", count: 80))\r\n"

    private final class Lease: SandboxLease {
        private let sandbox: Mutex<LoopbackSandbox?>
        init(sandbox: LoopbackSandbox) { self.sandbox = Mutex(sandbox) }
        func release() {
            let held = sandbox.withLock { held in
                defer { held = nil }
                return held
            }
            held?.state.withLock { $0.leases -= 1 }
        }
    }

    private final class Shared: Sendable {
        let box: Mutex<LoopbackSandbox?>
        init(box: consuming Mutex<LoopbackSandbox?>) { self.box = box }
        func note(_ change: (inout State) -> Void) { box.withLock { $0 }?.state.withLock { change(&$0) } }
    }

    private final class Answering: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let shared: Shared
        private let reply: ByteBuffer?

        init(shared: Shared, reply: ByteBuffer?) {
            self.shared = shared
            self.reply = reply
        }

        func channelActive(context: ChannelHandlerContext) { shared.note { $0.open += 1 } }
        func channelInactive(context: ChannelHandlerContext) { shared.note { $0.open -= 1 } }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let text = String(buffer: unwrapInboundIn(data))
            shared.note { $0.received += text }
            if let reply { context.writeAndFlush(NIOAny(reply), promise: nil) }
        }
    }
}

extension LoopbackSandbox: ConnectObserver {
    func answered(_ request: AnsweredConnectRequest) { state.withLock { $0.answered.append(request) } }
}

/// The proxy before a server, on a port of its own, for the length of `body`.
func withProxy(
    _ options: ConnectFrontOptions = ConnectFrontOptions(), to sandbox: LoopbackSandbox,
    _ body: @Sendable (Int) async throws -> Void
) async throws {
    let front = try await ConnectFront.bind(options)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let server = front.server(
        ports: sandbox, verifier: sandbox,
        address: ConnectAddress(isSecure: false, host: "127.0.0.1", port: front.port),
        observer: sandbox, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        try await body(front.port)
        group.cancelAll()
    }
}

/// A client on a bare socket.
final class Wire: Sendable {
    struct Failure: Error { var code: Int32 }

    private let descriptor: Int32

    init(_ port: Int) throws { descriptor = try Self.open(port) }

    deinit { close(descriptor) }

    /// A connected socket.
    static func open(_ port: Int) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            defer { close(descriptor) }
            throw Failure(code: errno)
        }
        return descriptor
    }

    func send(_ text: String) { _ = text.withCString { write(descriptor, $0, strlen($0)) } }

    /// What comes until the text holds `mark`, or until the end.
    func receive(until mark: String? = nil) async -> String {
        let descriptor = descriptor
        return await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var text = ""
                var bytes = [UInt8](repeating: 0, count: 4096)
                while mark.map({ !text.contains($0) }) ?? true {
                    let count = read(descriptor, &bytes, bytes.count)
                    guard count > 0 else { break }
                    text += String(decoding: bytes[..<count], as: UTF8.self)
                }
                continuation.resume(returning: text)
            }
        }
    }
}

/// Waits for `condition`, and says whether it came about.
func eventually(_ condition: @Sendable () -> Bool) async throws -> Bool {
    for _ in 0..<2000 {
        if condition() { return true }
        try await Task.sleep(for: .milliseconds(5))
    }
    return false
}
