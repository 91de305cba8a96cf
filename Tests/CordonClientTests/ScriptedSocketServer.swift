import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import Testing

/// One WebSocket connection as a test's script drives it, frame by frame.
struct ScriptedSocket {
    /// Of this connection among those of the server, from 1.
    let number: Int
    /// The handshake's path and query.
    let uri: String
    var frames: NIOAsyncChannelInboundStream<WebSocketFrame>.AsyncIterator
    let outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>

    /// The query's value, or nil.
    func query(_ name: String) -> String? {
        uri.split(separator: "?").last?.split(separator: "&").first { $0.hasPrefix(name + "=") }
            .map { String($0.dropFirst(name.count + 1)) }
    }

    func send(text: String) async throws {
        try await outbound.write(WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(string: text)))
    }

    func started(accepted: Int = 0, closed: Bool = false) async throws {
        let stdout = query("stdout_offset").flatMap { Int($0) } ?? 0
        let stderr = query("stderr_offset").flatMap { Int($0) } ?? 0
        try await send(
            text: #"{"type":"started","stdout_offset":\#(stdout),"stderr_offset":\#(stderr),"#
                + #""stdin":{"accepted":\#(accepted),"closed":\#(closed)},"read_only":false}"#)
    }

    func send(channel: UInt8 = 1, offset: Int, _ bytes: some Sequence<UInt8>) async throws {
        var data = ByteBuffer(integer: channel)
        data.writeInteger(UInt64(offset))
        data.writeBytes(bytes)
        try await outbound.write(WebSocketFrame(fin: true, opcode: .binary, data: data))
    }

    func send(close code: UInt16) async throws {
        try await outbound.write(
            WebSocketFrame(fin: true, opcode: .connectionClose, data: ByteBuffer(integer: code)))
    }

    /// The exec's end, with both streams' lengths.
    func finish(stdout: Int, stderr: Int = 0, status: Int = 0) async throws {
        try await send(text: #"{"type":"end","stream":"stdout","offset":\#(stdout)}"#)
        try await send(text: #"{"type":"end","stream":"stderr","offset":\#(stderr)}"#)
        try await send(
            text: #"{"type":"exit","result":{"reason":"exited","exit_code":\#(status),"at":"2026-01-01T00:00:00Z"}}"#)
        try await send(close: 1000)
    }

    /// The next frame of the client's, its mask taken off.
    mutating func next() async throws -> (opcode: WebSocketOpcode, isMasked: Bool, data: ByteBuffer)? {
        guard let frame = try await frames.next() else { return nil }
        return (frame.opcode, frame.maskKey != nil, frame.unmaskedData)
    }
}

/// A WebSocket server whose connections a test's script drives, one after the other.
enum ScriptedSocketServer {
    private typealias Connection = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    private struct Upgraded: Sendable {
        var uri: String
        var connection: Connection
    }

    /// Runs `body` with the server's port; a connection ends with `script`.
    static func run(
        _ script: @escaping @Sendable (inout ScriptedSocket) async throws -> Void,
        _ body: @escaping @Sendable (Int) async throws -> Void
    ) async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
                        configuration: .init(upgradeConfiguration: configuration))
                }
            }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.executeThenClose { connections in
                    var number = 0
                    for try await upgrade in connections {
                        number += 1
                        guard let upgraded = try await upgrade.get() else { continue }
                        try? await upgraded.connection.executeThenClose { inbound, outbound in
                            var socket = ScriptedSocket(
                                number: number, uri: upgraded.uri, frames: inbound.makeAsyncIterator(),
                                outbound: outbound)
                            try await script(&socket)
                        }
                    }
                }
            }
            try await body(server.channel.localAddress?.port ?? 0)
            group.cancelAll()
        }
    }

    private static var configuration: NIOTypedHTTPServerUpgradeConfiguration<Upgraded?> {
        let upgrader = NIOTypedWebSocketServerUpgrader<Upgraded?>(
            maxFrameSize: 1 << 21,
            shouldUpgrade: { channel, head in
                channel.eventLoop.makeSucceededFuture(
                    HTTPHeaders(head.headers["Sec-WebSocket-Protocol"].map { ("Sec-WebSocket-Protocol", $0) }))
            },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    Upgraded(uri: head.uri, connection: try Connection(wrappingChannelSynchronously: channel))
                }
            })
        return .init(upgraders: [upgrader]) { channel in
            channel.close().map { nil }
        }
    }
}

/// A frame that a server must not send.
struct WebSocketViolationCase: Sendable, CustomTestStringConvertible {
    var opcode: WebSocketOpcode
    var rsv1 = false
    var isMasked = false

    var frame: WebSocketFrame {
        WebSocketFrame(
            fin: true, rsv1: rsv1, opcode: opcode, maskKey: isMasked ? .random() : nil, data: ByteBuffer(string: "{}"))
    }

    var testDescription: String { "\(opcode), rsv1 \(rsv1), masked \(isMasked)" }
}
