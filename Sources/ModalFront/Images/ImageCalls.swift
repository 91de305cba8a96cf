import Crypto
import GRPCCore
import ModalProtocol
import SandboxModel
import SwiftProtobuf

/// Images: what a client describes is built, and found again by its description.
struct ImageCalls: Sendable {
    private static let longestHold = 55.0

    let builds: ImageBuilds
    let planner: BuildPlanner

    static func add(to table: inout CallTable) {
        table.unary("ImageGetOrCreate") { try await $1.front.content.images.getOrCreate($0, $1) }
        table.stream("ImageJoinStreaming") { try await $1.front.content.images.join($0, $2) }
        table.unary("ImageFromId") { (request: ModalImageFromIdRequest, call) in
            var answer = ModalImageFromIdResponse()
            answer.imageID = request.imageID
            answer.metadata = metadata(of: try await call.front.content.images.image(request.imageID))
            return answer
        }
        table.unary("ImageDelete") { (request: ModalImageDeleteRequest, call) in
            try await call.front.content.images.delete(request.imageID)
            return Google_Protobuf_Empty()
        }
        table.unary("ImagePublish") { (request: ModalImagePublishRequest, call) -> ModalImagePublishResponse in
            guard !request.allowPublic else { throw CordonError.unserved("images for everybody (allow_public)") }
            let tag = try tag(request.tag, in: request.environmentName)
            _ = try await call.front.content.images.named(request.imageID, [tag])
            return .with { $0.imageID = request.imageID }
        }
        table.unary("ImageGetByTag") { (request: ModalImageGetByTagRequest, call) in
            let tag = try tag(request.tag, in: request.environmentName)
            var answer = ModalImageGetByTagResponse()
            answer.imageID = try await call.front.images.image(.reference(tag)).id.text
            return answer
        }
        table.refuse(["ImageBuildChainGet"], "logs of builds that are over")
    }

    // MARK: Building

    private func getOrCreate(
        _ request: ModalImageGetOrCreateRequest, _ call: Call
    ) async throws -> ModalImageGetOrCreateResponse {
        let isAnew = request.forceBuild || request.ignoreCache
        let attempt = isAnew ? call.metadata.only("x-idempotency-key") ?? ImageID.mint().text : nil
        let definition = try ImageDefinition(request, attempt: attempt)
        var answer = ModalImageGetOrCreateResponse()
        answer.imageID = definition.id.text
        do {
            let image = try await planner.images.image(.reference(try ImageDefinition.reference(definition.id)))
            answer.metadata = Self.metadata(of: image)
            answer.result.status = .success
        } catch let error as CordonError where error.code == .notFound {
            // What can't be built for want of something is refused now, and not in the middle.
            for base in request.image.baseImages { _ = try await planner.name(of: base.imageID) }
            try await builds.begin(definition)
        }
        return answer
    }

    private func join(
        _ request: ModalImageJoinStreamingRequest, _ writer: RPCWriter<ModalImageJoinStreamingResponse>
    ) async throws {
        guard let id = ImageID(request.imageID) else { throw Self.none(request.imageID) }
        let hold = min(max(0, Double(request.timeout)), Self.longestHold)
        let deadline = ContinuousClock.now + .milliseconds(Int64(hold * 1000))
        var last = Int(request.lastEntryID) ?? 0
        while true {
            let news = try await builds.news(of: id, after: last, until: deadline)
            last = news.entries.last?.number ?? last
            var answer = ModalImageJoinStreamingResponse()
            answer.entryID = "\(last)"
            answer.taskLogs = news.entries.map { entry in
                var log = ModalTaskLogs()
                log.data = entry.text
                log.timestamp = entry.at.inSeconds
                log.fileDescriptor = .stdout
                return log
            }
            if let outcome = news.outcome {
                answer.eof = true
                switch outcome {
                case .built:
                    answer.result.status = .success
                    answer.metadata = Self.metadata(of: try await image(id.text))
                case .failed(let why):
                    answer.result.status = .failure
                    answer.result.exception = why
                }
            }
            if answer.eof || !answer.taskLogs.isEmpty { try await writer.write(answer) }
            if answer.eof || deadline <= .now { return }
        }
    }

    // MARK: Names

    /// The image that a sandbox is made from: the client's, with files that go on top of it.
    func name(of image: String, with mounts: [String]) async throws -> ImageName {
        let name = try await planner.name(of: image)
        guard !mounts.isEmpty else { return name }
        var files: [UploadedTree.File] = []
        for mount in mounts { files += try await planner.uploads.tree(MountCalls.id(mount)).files }
        guard !files.isEmpty else { return name }
        var request = ModalImageGetOrCreateRequest()
        request.image.dockerfileCommands = ["FROM base", "COPY . /"]
        request.image.baseImages = [
            .with {
                $0.dockerTag = "base"
                $0.imageID = name.description
            }
        ]
        request.image.contextMountID = try await planner.uploads.keep(try UploadedTree(files)).text
        let definition = try ImageDefinition(request, attempt: nil)
        if let made = try? await planner.name(of: definition.id.text) { return made }
        try await builds.begin(definition)
        try await builds.finish(definition.id)
        return try await planner.name(of: definition.id.text)
    }

    private func image(_ text: String) async throws -> ImageRecord {
        try await planner.images.image(try await planner.name(of: text))
    }

    /// Gives an image more names.
    private func named(_ id: String, _ names: [ImageReference]) async throws -> ImageRecord {
        var order = BuildOrder(dockerfile: "FROM base", names: names)
        order.bases = ["base": try await planner.name(of: id)]
        return try await planner.images.build(order) { _ in }
    }

    /// A definition's id is a name: the image goes with its last one. An image's own id takes all of it.
    private func delete(_ text: String) async throws {
        guard let id = ImageID(text) else { throw Self.none(text) }
        do {
            _ = try await planner.images.remove(.reference(try ImageDefinition.reference(id)))
        } catch let error as CordonError where error.code == .notFound {
            _ = try await planner.images.remove(.id(id))
        }
    }

    /// What a published name is called among images; an environment may stand before it, with a slash. Other letters than
    /// images' names have are told by a hash.
    private static func tag(_ text: String, in environment: String) throws(CordonError) -> ImageReference {
        guard (1...256).contains(text.utf8.count) else {
            throw .invalid(field: "tag", value: text, rule: "1–256 bytes")
        }
        let halves = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let environment = EnvironmentNames.resolved(halves.count == 2 ? halves[0] : environment)
        let name = halves[halves.count - 1]
        let place = "\(ImageDefinition.registry)/published"
        if let reference = try? ImageReference("\(place)/\(environment)/\(name)"), reference.digest == nil {
            return reference
        }
        let mark = ImageID(digest: Array(SHA256.hash(data: Array("\(environment)/\(name)".utf8))))
        return try ImageReference("\(place):\(mark)")
    }

    private static func none(_ text: String) -> CordonError {
        CordonError(.notFound, "there is no image \(text.prefix(64))", field: "image_id", value: text)
    }

    static func metadata(of image: ImageRecord) -> ModalImageMetadata {
        .with {
            $0.imageBuilderVersion = EnvironmentCalls.builderVersion
            if let workdir = image.config.workdir { $0.workdir = workdir }
        }
    }
}
