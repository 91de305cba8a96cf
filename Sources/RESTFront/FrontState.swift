import CordonAPI
import FrontConnections
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import SandboxModel

/// What all connections of the front share, and how a request becomes an answer.
final class FrontState: Sendable {
    let service: any SandboxService
    let images: any ImageService
    let secrets: any SecretService
    let uploads: any UploadService
    let volumes: any VolumeService
    let verifier: any CallerVerifier
    let bodyHash: @Sendable ([UInt8]) -> [UInt8]
    let options: RESTFrontOptions
    let openAPIDocument: [UInt8]
    let logger: Logger
    let table: RouteTable
    let waits: Places
    /// For bodies that are larger than most.
    let largeBodies: Places
    let connections: Places
    let executors = EventLoopExecutors(MultiThreadedEventLoopGroup.singleton)
    let observer: (any RequestObserver)?
    /// What `/metrics` answers.
    let metrics: @Sendable (FrontLoad) async -> String
    /// What stalled WebSocket clients may hold of memory together, beyond a piece each.
    let outboundRoom = OutboundRoom(limit: 256 << 20)
    private let date = HTTPDate()

    init(
        service: any SandboxService, images: any ImageService, secrets: any SecretService,
        volumes: any VolumeService, uploads: any UploadService, verifier: any CallerVerifier,
        bodyHash: @escaping @Sendable ([UInt8]) -> [UInt8],
        options: RESTFrontOptions, openAPIDocument: [UInt8], furtherRoutes: [Route],
        observer: (any RequestObserver)?, metrics: @escaping @Sendable (FrontLoad) async -> String, logger: Logger
    ) {
        self.table = RouteTable(routes: FrontState.routes + furtherRoutes)
        self.service = service
        self.images = images
        self.secrets = secrets
        self.uploads = uploads
        self.volumes = volumes
        self.verifier = verifier
        self.bodyHash = bodyHash
        self.options = options
        self.openAPIDocument = openAPIDocument
        self.logger = logger
        self.observer = observer
        self.metrics = metrics
        self.waits = Places(options.maximumWaits)
        self.largeBodies = Places(options.maximumLargeBodies)
        self.connections = Places(options.maximumConnections)
    }

    /// Answers one request. Throws when the answer can't be sent whole: the connection is then closed.
    func answer(
        _ request: Request, with writer: consuming ResponseWriter, on connection: ClientConnection,
        channel: any Channel
    ) async throws {
        let requestID = RequestID.accept(request.headers[.requestID])
        let scope = RequestScope()
        let account = RequestAccount(request, requestID: requestID)
        var response: Response
        do {
            let outcome = try await RequestTrace.$id.withValue(requestID) {
                try await respond(to: request, on: connection, scope: scope, account: account, requestID: requestID)
            }
            switch outcome {
            case .response(let given): response = given
            case .webSocket(let acceptance):
                await RequestTrace.$id.withValue(requestID) {
                    await talk(acceptance, on: connection, channel: channel, requestID: requestID)
                }
                await scope.end()
                observer?.answered(account.closed(status: 101, isWhole: true))
                return
            }
        } catch {
            response = problem(for: error, request: request, requestID: requestID)
        }
        // What belongs to a connection has no place on one of its streams (RFC 9113, section 8.2.2).
        if connection.isStream { (response.headers[.connection], response.headers[.upgrade]) = (nil, nil) }
        response.headers[.requestID] = requestID
        response.headers[.date] = date.now()
        response.headers[.cacheControl] = "no-store"
        response.headers[.xContentTypeOptions] = "nosniff"
        do {
            try await writer.write(response: response.head, body: account.counting(response.body))
        } catch {
            await scope.end()
            observer?.answered(account.closed(status: response.status.code, isWhole: false))
            logger.debug("an answer broke off", metadata: ["request_id": "\(requestID)", "error": "\(error)"])
            throw AnswerBrokenOff()
        }
        await scope.end()
        observer?.answered(account.closed(status: response.status.code, isWhole: true))
    }

    private func respond(
        to request: Request, on connection: ClientConnection, scope: RequestScope, account: RequestAccount,
        requestID: String
    ) async throws -> Outcome {
        let path = request.uri.path
        // Who has no token learns nothing of what is there.
        let isGuarded = path == "/v1" || path.hasPrefix("/v1/") || (path == "/metrics" && options.metricsNeedToken)
        let caller = isGuarded ? try await verify(request) : nil
        account.note(caller)
        // Over HTTP/2 a WebSocket is asked for by an extended CONNECT (RFC 8441).
        let isWebSocket = request.method == .connect && request.head.extendedConnectProtocol == "websocket"
        switch table.find(isWebSocket ? .get : request.method, path) {
        case .nothing: throw RequestRefused.unknownRoute(path)
        case .otherMethods(let methods): throw RequestRefused.methodNotAllowed(methods)
        case .route(let route, let parameters):
            account.note(route)
            return try await route.answer(
                Exchange(
                    front: self, request: request, connection: connection, scope: scope, requestID: requestID,
                    route: route, parameters: parameters, caller: caller))
        }
    }

    /// Opens a WebSocket connection, talks over it, and sees to its end.
    private func talk(
        _ acceptance: WebSocketAcceptance, on client: ClientConnection, channel: any Channel, requestID: String
    ) async {
        var acceptance = acceptance
        acceptance.fields[.requestID] = requestID
        acceptance.fields[.date] = date.now()
        do {
            let socket = try await WebSocketUpgrade.perform(acceptance, on: channel, client: client, room: outboundRoom)
            do {
                try await acceptance.session(socket)
                await socket.close(.normal)
            } catch {
                let (code, reason) = closing(for: error, requestID: requestID)
                await socket.close(code, reason)
            }
        } catch {
            logger.debug("an upgrade failed", metadata: ["request_id": "\(requestID)", "error": "\(error)"])
            channel.close(promise: nil)
        }
    }

    private func closing(for error: any Error, requestID: String) -> (WebSocketCloseCode, String) {
        switch error {
        case let violation as WebSocketViolation: return (violation.code, violation.reason)
        case is ClientGone, is CancellationError: return (.goingAway, "the service is shutting down; attach again")
        case let error as CordonError where error.code == .unavailable: return (.tryAgainLater, error.message)
        default:
            logger.error("a WebSocket failed", metadata: ["request_id": "\(requestID)", "error": "\(error)"])
            return (.internalError, "something went wrong in the service; its log has request \(requestID)")
        }
    }

    private func verify(_ request: Request) async throws -> Caller {
        let given = request.headers[values: .authorization]
        if given.isEmpty, let token = try BearerSubprotocol.token(in: request.headers) {
            return try await verifier.verify(bearer: token)
        }
        guard given.count == 1, let text = given.first else {
            throw CordonError(
                .unauthenticated, "this needs a token", field: "Authorization", rule: "Bearer <token id>.<token secret>"
            )
        }
        let halves = text.split(separator: " ", maxSplits: 1)
        guard halves.count == 2, halves[0].lowercased() == "bearer" else {
            throw CordonError(
                .unauthenticated, "this isn't a bearer token", field: "Authorization",
                rule: "Bearer <token id>.<token secret>")
        }
        return try await verifier.verify(bearer: String(halves[1].drop { $0 == " " }))
    }

    /// The problem document for what a handler threw. What isn't meant for clients is logged, and they see a bare 500.
    private func problem(for error: any Error, request: Request, requestID: String) -> Response {
        guard let known = ProblemAnswer.translate(error) else {
            if error is ClientGone || error is CancellationError {
                let gone = CordonError(.cancelled, "the client closed the request")
                return ProblemAnswer.response(
                    gone, status: ProblemAnswer.status(of: .cancelled), fields: [:], requestID: requestID)
            }
            logger.error(
                "a request failed",
                metadata: ["request_id": "\(requestID)", "path": "\(request.uri.path)", "error": "\(error)"])
            let bare = CordonError(.internal, "something went wrong in the service; its log has the request id")
            return ProblemAnswer.response(bare, status: .internalServerError, fields: [:], requestID: requestID)
        }
        if known.status.code >= 500, known.error.code != .unimplemented {
            logger.warning(
                "a request failed",
                metadata: ["request_id": "\(requestID)", "path": "\(request.uri.path)", "error": "\(known.error)"])
        }
        return ProblemAnswer.response(known.error, status: known.status, fields: known.fields, requestID: requestID)
    }
}

/// The head was sent and the rest wasn't.
struct AnswerBrokenOff: Error {}
