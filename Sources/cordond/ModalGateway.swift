import Access
import FrontConnections
import Logging
import ModalFront
import SandboxCatalog
import SandboxEngine
import SandboxImages
import SandboxModel
import ServiceConfiguration
import ServiceLifecycle
import Synchronization

/// The Modal front's listeners, and who may call.
struct ModalGateway {
    private let front: ModalFront
    let address: ModalAddress

    /// Binds both listeners, on the ports of last time where none are configured.
    ///
    /// - Parameter descriptors: how many open descriptors there are for it.
    static func establish(
        _ configuration: ServiceConfiguration, tls: ServerTLS?, descriptors: Int
    ) async throws -> ModalGateway {
        let tls = try tls ?? ServerTLS.development(configuration)
        let (plain, secure) = (configuration.modalListen, configuration.modalTLSListen)
        let ports = PortMemory(directory: configuration.stateDirectory, name: "modal-port")
        let securePorts = PortMemory(directory: configuration.stateDirectory, name: "modal-tls-port")
        let places = DescriptorBudget.modalPlaces(of: descriptors)
        var options = ModalFrontOptions(tls: tls.front)
        (options.host, options.port) = (plain.host, try ports.port(for: plain))
        (options.tlsHost, options.tlsPort) = (secure.host, try securePorts.port(for: secure))
        options.maximumConnections = configuration.modalMaximumConnections ?? places.connections
        options.maximumReaders = places.readers
        let front = try await ModalFront.bind(options)
        try ports.remember(front.port, for: plain)
        try securePorts.remember(front.tlsPort, for: secure)
        return ModalGateway(
            front: front,
            address: ModalAddress(
                host: plain.clientHost, port: front.port, tlsHost: tls.host(for: secure), tlsPort: front.tlsPort))
    }

    /// What clients' images and files are made of and kept in.
    static func content(
        _ configuration: ServiceConfiguration, images: any ImageService, secrets: any SecretService,
        volumes: any VolumeService, uploads: any UploadService, hasher: BodyHasher, rest: PublishedAddress,
        logger: Logger
    ) throws -> ModalContent {
        try ModalContent(
            images: images, secrets: secrets, volumes: volumes, uploads: uploads,
            directory: configuration.stateDirectory + "/modal", pythonDirectory: configuration.modalPythonDirectory,
            uvImage: try configuration.modalUVImage.map { try ImageReference($0, field: "modal_uv_image") },
            hash: { hasher.hash($0) }, contentAddress: { try rest.get() }, logger: logger)
    }

    func server(
        engine: Engine, catalog: Catalog, images: any ImageService, content: ModalContent, verifier: TokenVerifier,
        hasher: BodyHasher, directory: String, observation: Observation
    ) throws -> any Service {
        front.server(
            service: engine, apps: catalog.apps, images: images, secrets: engine, content: content,
            access: AccessAdapter(verifier: verifier, seal: try StatementSeal(directory: directory)),
            bodyHash: { hasher.hash($0) }, address: address, observer: observation.calls, logger: observation.logger)
    }
}

/// Tokens and statements as the front checks them.
private struct AccessAdapter: ModalAccess {
    let verifier: TokenVerifier
    let seal: StatementSeal

    func verify(tokenID: String, secret: String) async throws -> Caller {
        try await verifier.verify(Token(id: tokenID, secret: secret))
    }

    func statement(for caller: Caller, about sandbox: SandboxID?) throws(CordonError) -> String {
        do { return try seal.statement(for: caller, about: sandbox) } catch {
            throw CordonError(.internal, "the statement could not be made")
        }
    }

    func router(of statement: String) throws(CordonError) -> (caller: Caller, sandbox: SandboxID) {
        let (caller, sandbox) = try seal.open(statement)
        guard let sandbox else { throw CordonError(.unauthenticated, "the statement isn't about a sandbox") }
        return (caller, sandbox)
    }
}

/// Writes the access log of calls.
struct CallRecorder: CallObserver {
    let logger: Logger
    let level: Logger.Level

    func answered(_ call: String, _ refusal: String?, after duration: Duration) {
        logger.log(
            level: level, "modal call",
            metadata: [
                "call": "\(call)", "status": "\(refusal ?? "ok")",
                "milliseconds": .stringConvertible(Double(duration / .microseconds(1)).rounded() / 1000),
            ])
    }
}

/// Where the REST port is reached, once it listens.
final class PublishedAddress: Sendable {
    private let url = Mutex<String?>(nil)

    func set(_ url: String) { self.url.withLock { $0 = url } }

    /// Throws `unavailable` while nobody knows.
    func get() throws -> String {
        guard let url = url.withLock({ $0 }) else {
            throw CordonError(.unavailable, "the service is starting", retryAfter: .seconds(1))
        }
        return url
    }
}
