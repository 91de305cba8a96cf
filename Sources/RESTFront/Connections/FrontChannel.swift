import CordonAPI
import HummingbirdCore
import Logging
import NIOCore
import SandboxModel

/// HTTP/1.1 connections as this front wants them: counted, guarded, and known to their handlers.
struct FrontChannel: ServerChildChannel {
    enum Value: ServerChildChannelValue {
        case accepted(HTTP1Channel.Value, ClientConnection)
        case refused(any Channel)

        var channel: any Channel {
            switch self {
            case .accepted(let http, _): http.channel
            case .refused(let channel): channel
            }
        }
    }

    let front: FrontState
    let places: Places
    /// Connections above the limit that are being told so; more are closed without a word.
    let refusals = Places(256)

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        guard places.take() else { return channel.eventLoop.makeSucceededFuture(.refused(channel)) }
        channel.closeFuture.whenComplete { [places] _ in places.giveBack() }
        let connection = ClientConnection()
        let pipeline = HTTP1Pipeline(options: front.options, isSecure: false, logger: logger)
        // A peer that is gone without a word is noticed in the end.
        return channel.setOption(.socketOption(.so_keepalive), value: 1)
            .flatMapError { _ in channel.eventLoop.makeSucceededVoidFuture() }
            .flatMapThrowing { try pipeline.configure(channel, connection) }
            .map { .accepted($0, connection) }
    }

    func handle(value: Value, logger: Logger) async {
        guard case .accepted(let channel, let connection) = value else { return await refuse(value.channel) }
        let front = front
        let http = HTTP1Channel(responder: { request, writer, channel in
            try await front.answer(request, with: writer, on: connection, channel: channel)
        })
        await http.handle(value: channel, logger: logger)
    }

    /// Says why and closes. Ends the sending side first: the client's request may be on its way, and
    /// a close with unread bytes resets the connection.
    private func refuse(_ channel: any Channel) async {
        guard refusals.take() else {
            channel.close(promise: nil)
            return
        }
        defer { refusals.giveBack() }
        let answer = GuardAnswer(
            CordonError(.unavailable, "too many connections", retryAfter: .seconds(1)), status: .serviceUnavailable)
        var text = "HTTP/1.1 503 Service Unavailable\r\n"
        for field in answer.head.headerFields { text += "\(field.name): \(field.value)\r\n" }
        var buffer = ByteBuffer(string: text + "\r\n")
        buffer.writeBytes(answer.body)
        do {
            try await channel.writeAndFlush(buffer)
            try await channel.close(mode: .output)
            try await Task.sleep(for: .seconds(1))
        } catch {}
        channel.close(promise: nil)
    }
}
