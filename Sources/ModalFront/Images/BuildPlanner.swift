import Crypto
import ModalProtocol
import SandboxModel

/// Makes orders for builds of what clients describe.
struct BuildPlanner: Sendable {
    private static let pieceBytes = 256 * 1024
    private static let user = "REGISTRY_USERNAME"
    private static let password = "REGISTRY_PASSWORD"

    let images: any ImageService
    let secrets: any SecretService
    let uploads: any UploadService
    let pythons: StandalonePythons
    /// Where `uv` is copied from; nil for where the client says.
    let uvImage: ImageReference?
    /// A keyed hash.
    let hash: @Sendable ([UInt8]) -> [UInt8]

    func order(for definition: ImageDefinition) async throws -> BuildOrder {
        let (request, image) = (definition.request, definition.request.image)
        var order = BuildOrder(dockerfile: definition.dockerfile)
        order.names = [try ImageDefinition.reference(definition.id)]
        if request.forceBuild {
            // From now on the definition means what is built here.
            order.names.append(try ImageDefinition.reference(ImageDefinition(request, attempt: nil).id))
        }
        order.ignoresCache = request.forceBuild || request.ignoreCache
        order.arguments = image.buildArgs
        order.pulls = true
        for base in image.baseImages { order.bases[base.dockerTag] = try await name(of: base.imageID) }
        if let uvImage { for reference in definition.uvReferences { order.bases[reference] = .reference(uvImage) } }
        order.context = try await context(of: image)
        order.login = try await login(of: image)
        order.secrets = try await secrets(of: image)
        return order
    }

    /// What a client's id of an image means here: an image's own id, or a definition's. Throws `notFound`.
    func name(of text: String) async throws -> ImageName {
        guard let id = ImageID(text) else {
            throw CordonError(.notFound, "there is no image \(text.prefix(64))", field: "image_id", value: text)
        }
        do {
            return .id(try await images.image(.reference(try ImageDefinition.reference(id))).id)
        } catch let error as CordonError where error.code == .notFound {
            return .id(try await images.image(.id(id)).id)
        }
    }

    // MARK: What goes with it

    private func context(of image: ModalImage) async throws -> BuildContextID? {
        guard !image.contextMountID.isEmpty || !image.contextFiles.isEmpty else { return nil }
        if let python = pythons.archive(ofMount: image.contextMountID) {
            return try await images.addContext { try await python.next(Self.pieceBytes) }
        }
        let tree = image.contextMountID.isEmpty ? nil : try await uploads.tree(MountCalls.id(image.contextMountID))
        var inline: [(path: FilePath, bytes: [UInt8])] = []
        for file in image.contextFiles {
            inline.append((try FilePath(file.filename, field: "context_files.filename"), Array(file.data)))
        }
        let pieces = BuildContextPieces(tree, inline: inline, from: uploads)
        return try await images.addContext { try await pieces.next() }
    }

    private func login(of image: ModalImage) async throws -> RegistryLogin? {
        guard image.hasImageRegistryConfig else { return nil }
        let config = image.imageRegistryConfig
        switch config.registryAuthType {
        case .unspecified, .public: return nil
        case .staticCreds: break
        default: throw CordonError.unserved("logins of AWS and GCP for registries")
        }
        guard !config.secretID.isEmpty else { return nil }
        let source = SecretSource.stored(
            try SecretReference(config.secretID, field: "image_registry_config.secret_id"),
            requiredKeys: [Self.user, Self.password])
        let variables = try await secrets.environment(of: [source]).variables
        return RegistryLogin(user: variables[Self.user] ?? "", password: variables[Self.password] ?? "")
    }

    private func secrets(of image: ModalImage) async throws -> BuildSecrets? {
        guard !image.secretIds.isEmpty else { return nil }
        let sources = try image.secretIds.map {
            SecretSource.stored(try SecretReference($0, field: "secret_ids"), requiredKeys: [])
        }
        let environment = try await secrets.environment(of: sources)
        let text = environment.variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\0" }.joined()
        let tag = hash(Array("build secrets\0\(text)".utf8)).map { String($0, radix: 16) }.joined(separator: ".")
        return BuildSecrets(environment: environment, tag: tag)
    }
}
