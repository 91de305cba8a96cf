import CordonAPI
import FrontConnections
import HTTPTypes
import NIOHTTP1
import SandboxModel

/// The answer to bytes that are no request.
struct GuardAnswer {
    var head: HTTPResponse
    let body: [UInt8]

    init(_ error: any Error) {
        let status: HTTPResponse.Status
        let failure: CordonError
        switch error {
        case HTTPParserError.headerOverflow:
            status = .requestHeaderFieldsTooLarge
            failure = CordonError(.invalidArgument, "the request's target or header fields are too large")
        case is HTTPParserError:
            status = .badRequest
            failure = CordonError(.invalidArgument, "this isn't an HTTP/1.1 request")
        default:
            status = .badRequest
            failure = CordonError(.invalidArgument, "the request's head isn't valid HTTP/1.1")
        }
        self.init(failure, status: status)
    }

    init(_ error: CordonError, status: HTTPResponse.Status) {
        let requestID = RequestID.mint()
        let (fields, body) = ProblemAnswer.render(error, status: status, requestID: requestID)
        var all = fields
        all[.requestID] = requestID
        all[.connection] = "close"
        all[.contentLength] = String(body.count)
        self.head = HTTPResponse(status: status, headerFields: all)
        self.body = body
    }
}
