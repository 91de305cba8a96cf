import Crypto
import ModalProtocol
import SandboxModel
import SwiftProtobuf

/// An image as a client describes it: a Dockerfile's lines on other images. The same description has the same id,
/// and the image that it comes to is found by a name that follows from it.
struct ImageDefinition: Sendable {
    /// Where images are kept that were made from definitions; no registry.
    static let registry = "modal.local"
    private static let uvImage = "ghcr.io/astral-sh/uv:"

    let id: ImageID
    let request: ModalImageGetOrCreateRequest

    /// - Parameter attempt: Sets one build of a definition that is to be built anew apart from others; nil for any build.
    init(_ request: ModalImageGetOrCreateRequest, attempt: String?) throws {
        self.request = request
        try Self.check(request.image)
        // Maps have no order of their own.
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        var hash = SHA256()
        hash.update(data: try request.image.serializedBytes(options: options) as [UInt8])
        hash.update(data: Array("\(request.builderVersion)\0\(attempt ?? "")".utf8))
        id = ImageID(digest: Array(hash.finalize()))
    }

    /// One that was written down with its id.
    init(kept request: ModalImageGetOrCreateRequest, id: ImageID) { (self.request, self.id) = (request, id) }

    /// The name of the image that a definition has come to.
    static func reference(_ id: ImageID) throws(CordonError) -> ImageReference {
        try ImageReference("\(registry)/image:\(id)")
    }

    var dockerfile: String { request.image.dockerfileCommands.joined(separator: "\n") }

    private static func check(_ image: ModalImage) throws(CordonError) {
        guard image.buildFunctionDef.isEmpty, image.buildFunctionGlobals.isEmpty else {
            throw .unserved("functions that are run while an image is built (run_function)")
        }
        guard image.gpuConfig.gpuType.isEmpty else { throw .unserved("GPUs in builds of images") }
        guard image.volumeMounts.isEmpty else { throw .unserved("volumes in builds of images") }
        guard !image.dockerfileCommands.isEmpty else {
            throw .invalid(field: "dockerfile_commands", value: nil, rule: "at least a FROM line")
        }
        let bytes = image.dockerfileCommands.reduce(0) { $0 + $1.utf8.count + 1 }
        guard bytes <= BuildOrder.maximumDockerfileBytes else {
            throw .invalid(
                field: "dockerfile_commands", value: "\(bytes) bytes",
                rule: "at most \(BuildOrder.maximumDockerfileBytes) bytes")
        }
    }

    /// The tags of the image that holds the program `uv` by which lines copy from it.
    var uvReferences: Set<String> {
        var found: Set<String> = []
        for line in request.image.dockerfileCommands {
            for word in line.split(whereSeparator: \.isWhitespace) where word.hasPrefix("--from=\(Self.uvImage)") {
                found.insert(String(word.dropFirst("--from=".count)))
            }
        }
        return found
    }
}
