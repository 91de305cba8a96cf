import Access
import ConnectFront
import Logging
import SandboxEngine
import SandboxModel
import ServiceConfiguration
import ServiceLifecycle

/// The connect proxy's listener, and the tokens that are good there.
struct ConnectProxy: ConnectTokenIssuer {
    private let front: ConnectFront
    private let seal: ConnectTokenSeal
    let address: ConnectAddress

    /// Binds the listener, on the port of last time where none is configured.
    static func establish(_ configuration: ServiceConfiguration, tls: ServerTLS?) async throws -> ConnectProxy {
        let listen = configuration.connectListen
        let ports = PortMemory(directory: configuration.stateDirectory, name: "connect-port")
        var options = ConnectFrontOptions()
        options.host = listen.host
        options.port = try ports.port(for: listen)
        options.tls = tls?.front
        if let maximum = configuration.connectMaximumConnections {
            options.maximumConnections = maximum
            options.maximumRequests = maximum
            options.maximumRequestsOfSandbox = max(1, maximum / 4)
        }
        let front = try await ConnectFront.bind(options)
        try ports.remember(front.port, for: listen)
        let address =
            configuration.connectURL
            ?? ConnectAddress(isSecure: tls != nil, host: tls?.host(for: listen) ?? listen.clientHost, port: front.port)
        return ConnectProxy(
            front: front, seal: try ConnectTokenSeal(directory: configuration.stateDirectory), address: address)
    }

    func issue(_ grant: ConnectGrant) throws(CordonError) -> ConnectToken {
        do {
            return ConnectToken(
                id: grant.id, url: address.url(to: grant.port, of: grant.sandbox), text: try seal.seal(grant),
                expiresAt: grant.expiresAt)
        } catch { throw CordonError(.internal, "the connect token could not be made") }
    }

    func revoke(_ id: ConnectTokenID, of sandbox: SandboxID) async throws { try await seal.revoke(id, of: sandbox) }

    func server(engine: Engine, observation: Observation) -> any Service {
        front.server(
            ports: engine, verifier: seal, address: address, observer: observation.connects, logger: observation.logger)
    }
}

extension Engine: SandboxPorts {}

/// Counts every request to the connect proxy, and writes the access log.
struct ConnectRecorder: ConnectObserver {
    let requests: RequestRecorder

    func answered(_ request: AnsweredConnectRequest) {
        requests.metrics.connected(
            status: request.status, bytesIn: request.bytesIn, bytesOut: request.bytesOut, after: request.duration)
        requests.logger.log(
            level: requests.level, "connect request",
            metadata: [
                "request_id": "\(request.requestID)", "method": "\(request.method.prefix(16))",
                "sandbox_id": "\(request.sandbox?.text ?? "none")", "port": "\(request.port ?? 0)",
                "status": .stringConvertible(request.status), "whole": .stringConvertible(request.isWhole),
                "bytes_in": .stringConvertible(request.bytesIn), "bytes_out": .stringConvertible(request.bytesOut),
                "milliseconds": .stringConvertible(Double(request.duration / .microseconds(1)).rounded() / 1000),
            ])
    }
}
