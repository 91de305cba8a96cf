import CordonAPI
import HTTPTypes
import NIOCore
import NIOHTTPTypes
import SandboxModel

/// Holds a request of HTTP/2 to the limits that HTTP/1.1's decoder keeps: a compressed head says
/// nothing of its fields' sizes.
final class HeadLimits: ChannelInboundHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    private let options: RESTFrontOptions
    private var isRefused = false

    init(options: RESTFrontOptions) { self.options = options }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        if case .head(let head) = unwrapInboundIn(data), !fits(head) { return refuse(context) }
        context.fireChannelRead(data)
    }

    private func fits(_ head: HTTPRequest) -> Bool {
        head.headerFields.count <= options.maximumFieldCount
            && (head.path?.utf8.count ?? 0) <= options.maximumFieldBytes
            && head.headerFields.allSatisfy {
                $0.name.rawName.utf8.count + $0.value.utf8.count <= options.maximumFieldBytes
            }
    }

    private func refuse(_ context: ChannelHandlerContext) {
        isRefused = true
        var answer = GuardAnswer(
            CordonError(.invalidArgument, "the request's target or header fields are too large"),
            status: .requestHeaderFieldsTooLarge)
        answer.head.headerFields[.connection] = nil
        context.write(wrapOutboundOut(.head(answer.head)), promise: nil)
        context.write(wrapOutboundOut(.body(ByteBuffer(bytes: answer.body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.close(promise: nil)
    }
}
