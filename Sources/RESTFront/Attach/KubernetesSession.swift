import CordonAPI
import NIOCore
import SandboxModel

/// The subprotocols `v5.channel.k8s.io` and `v4.channel.k8s.io` on one connection, as Kubernetes'
/// `remotecommand` defines them (KEP-4006): a byte of channel before each message. Bytes have no
/// offsets there: stdin goes on from what was accepted, and a gap isn't told.
struct KubernetesSession: Sendable {
    static let names = ["v5.channel.k8s.io", "v4.channel.k8s.io"]

    private enum Channel {
        static let stdin: UInt8 = 0
        static let error: UInt8 = 3
        static let resize: UInt8 = 4
        /// The next byte names a channel that is over (v5).
        static let close: UInt8 = 255
    }

    private enum Part {
        case stream, client, stdin
    }

    private struct Input: Sendable {
        /// nil for the end.
        let bytes: ByteBuffer?
        let message: WebSocketMessage
    }

    private struct Size: Decodable {
        let width: Int
        let height: Int

        enum CodingKeys: String, CodingKey {
            case width = "Width"
            case height = "Height"
        }
    }

    let attachment: Attachment
    let socket: WebSocketConnection
    /// Whether a channel can be closed by the client: since v5.
    let hasClose: Bool
    private let exit = ExitSignal()

    init(attachment: Attachment, socket: WebSocketConnection, name: String) {
        self.attachment = attachment
        self.socket = socket
        hasClose = name == Self.names[0]
    }

    /// Talks until the command is over and its streams have been sent; its status is the last message.
    func run(from stdin: StdinState) async throws {
        // An empty message says that the connection stands, as the kubelet's does.
        try await socket.send(ByteBuffer(bytes: [attachment.streams.first?.stream.rawValue ?? Channel.error]))
        let (inputs, inbox) = AsyncStream<Input>.makeStream()
        let ending = try await withThrowingTaskGroup(of: Part.self) { group in
            for attached in attachment.streams { group.addTask { try await pump(attached) } }
            group.addTask {
                _ = try await attachment.ending()
                exit.fire()
                return .stream
            }
            group.addTask { try await listen(inbox) }
            group.addTask { try await feed(inputs, from: stdin.accepted) }
            var unfinished = attachment.streams.count + 1
            while unfinished > 0, let part = try await group.next() {
                switch part {
                case .stream: unfinished -= 1
                case .client: throw ClientGone()
                case .stdin: break
                }
            }
            group.cancelAll()
            return try await attachment.ending()
        }
        let status = try JSONText.encode(KubernetesStatus(ending))
        try await socket.send(ByteBuffer(bytes: [Channel.error] + status))
    }

    private func pump(_ attached: AttachedStream) async throws -> Part {
        let pump = OutputPump(
            attached: attached, header: { _ in [attached.stream.rawValue] }, waitStep: attachment.waitStep, exit: exit,
            send: { item, onSent in
                guard case .message(let bytes) = item else { return }
                try await socket.send(bytes, onSent: onSent)
            })
        try await pump.run()
        return .stream
    }

    /// Text and binary messages mean the same: Kubernetes' clients send both.
    private func listen(_ stdin: AsyncStream<Input>.Continuation) async throws -> Part {
        defer { stdin.finish() }
        for await message in socket.messages {
            var bytes = message.bytes
            switch bytes.readInteger(as: UInt8.self) {
            case Channel.stdin where !attachment.isReadOnly: stdin.yield(Input(bytes: bytes, message: message))
            case Channel.close where hasClose && !attachment.isReadOnly && bytes.readInteger() == Channel.stdin:
                stdin.yield(Input(bytes: nil, message: message))
            case Channel.resize where !attachment.isReadOnly:
                await resize(bytes)
                socket.release(message)
            default: socket.release(message)
            }
        }
        return .client
    }

    private func feed(_ inputs: AsyncStream<Input>, from accepted: UInt64) async throws -> Part {
        var offset = accepted
        for await input in inputs {
            defer { socket.release(input.message) }
            do {
                if let bytes = input.bytes {
                    offset = max(offset, try await attachment.stdin.write(bytes, at: offset).accepted)
                } else {
                    _ = try await attachment.stdin.end(at: offset)
                }
            } catch is CordonError {
                // A process that is over, or was never given a stdin, reads nothing: as in a broken pipe.
            }
        }
        return .stdin
    }

    /// A size that makes no sense, or no terminal, changes nothing.
    private func resize(_ bytes: ByteBuffer) async {
        guard let size = try? JSONText.decode(Size.self, from: Array(bytes.readableBytesView)),
            let terminal = try? TerminalSize(rows: size.height, columns: size.width)
        else { return }
        try? await attachment.service.resize(attachment.exec.id, in: attachment.exec.sandbox, to: terminal)
    }
}
