import Foundation
import Logging
import ModalProtocol
import SandboxModel

/// Builds of images that clients have described: each goes on whoever listens, and after a restart too.
///
/// A definition is written down before its id is given out, and stays until its image is there or can't be made.
actor ImageBuilds {
    /// Builds under way, and results of failed ones that are remembered.
    private static let mostBuilds = 256
    private static let mostFailures = 1000

    /// How a build has ended.
    enum Outcome: Sendable {
        case built
        case failed(String)
    }

    /// What those who listen to a build hear next.
    struct News: Sendable {
        let entries: [BuildLog.Entry]
        let outcome: Outcome?
    }

    private struct Build {
        var log = BuildLog()
        var outcome: Outcome?
        var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
    }

    private let planner: BuildPlanner
    private let images: any ImageService
    private let directory: String
    private let logger: Logger
    private var builds: [ImageID: Build] = [:]
    /// In the order in which they failed.
    private var failures: [ImageID] = []
    private var nextListener = 0

    /// - Parameter directory: Where definitions are kept until they are built; made where there is none.
    init(planner: BuildPlanner, images: any ImageService, directory: String, logger: Logger) throws {
        self.planner = planner
        self.images = images
        self.directory = directory
        self.logger = logger
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    private func file(_ id: ImageID) -> String { "\(directory)/\(id)" }

    /// Begins a build unless it is under way; one that has failed begins anew.
    func begin(_ definition: ImageDefinition) throws {
        let id = definition.id
        if let build = builds[id], build.outcome == nil { return }
        guard builds.count - failures.count < Self.mostBuilds else {
            throw CordonError(
                .resourceExhausted, "\(Self.mostBuilds) images are being built, which is the most at a time",
                retryAfter: .seconds(1))
        }
        let bytes: [UInt8] = try definition.request.serializedBytes()
        try Data(bytes).write(to: URL(fileURLWithPath: file(id)), options: .atomic)
        start(definition)
    }

    /// Waits for news of a build until `deadline`: entries after that number, or its end. Goes on with one that the
    /// service was killed in the middle of. Throws `notFound` when nobody has described that image.
    func news(of id: ImageID, after number: Int, until deadline: ContinuousClock.Instant) async throws -> News {
        if builds[id] == nil { try await resume(id) }
        while let build = builds[id] {
            let entries = build.log.entries(after: number)
            if !entries.isEmpty || build.outcome != nil {
                return News(entries: Array(entries.prefix(100)), outcome: entries.count > 100 ? nil : build.outcome)
            }
            guard deadline > .now else { return News(entries: [], outcome: nil) }
            try await change(of: id, until: deadline)
        }
        return News(entries: [], outcome: .built)
    }

    /// Waits for the end of a build. Throws `failedPrecondition` when it has failed.
    func finish(_ id: ImageID) async throws {
        var last = 0
        while true {
            let news = try await news(of: id, after: last, until: .now + .seconds(60))
            last = news.entries.last?.number ?? last
            switch news.outcome {
            case .built: return
            case .failed(let why): throw CordonError(.failedPrecondition, why, field: "image", value: id.text)
            case nil: continue
            }
        }
    }

    // MARK: One build

    private func resume(_ id: ImageID) async throws {
        guard let bytes = FileManager.default.contents(atPath: file(id)) else {
            // It may have been made since.
            _ = try await images.image(.reference(try ImageDefinition.reference(id)))
            return
        }
        guard builds[id] == nil else { return }
        let request = try ModalImageGetOrCreateRequest(serializedBytes: [UInt8](bytes))
        start(ImageDefinition(kept: request, id: id))
    }

    private func start(_ definition: ImageDefinition) {
        let id = definition.id
        failures.removeAll { $0 == id }
        let listeners = builds[id]?.listeners ?? [:]
        builds[id] = Build(listeners: listeners)
        // Whoever wants its end asks for it: `news`. Nobody who leaves ends it.
        Task {
            do {
                let order = try await planner.order(for: definition)
                _ = try await images.build(order) { event in await self.heard(event, of: id) }
                ended(id, .built)
            } catch {
                logger.info("an image could not be built", metadata: ["image": "\(id)", "error": "\(error)"])
                let why =
                    (error as? CordonError)?.message ?? "something went wrong inside the service; its log says what"
                ended(id, .failed("The image \(id) could not be built: \(why)"))
            }
        }
    }

    private func heard(_ event: ImageEvent, of id: ImageID) {
        switch event {
        case .step(let number, let count, let text, let isCached):
            builds[id]?.log.add("Step \(number)/\(count): \(text)\(isCached ? " (cached)" : "")\n")
        case .log(let bytes): builds[id]?.log.add(bytes)
        case .layer(let layer) where layer.state == .done:
            builds[id]?.log.add("Layer \(layer.digest) is here\n")
        case .resolved, .layer: return
        }
        ring(id)
    }

    private func ended(_ id: ImageID, _ outcome: Outcome) {
        unlink(file(id))
        if case .failed(let why) = outcome {
            builds[id]?.log.add(why + "\n")
            failures.append(id)
            if failures.count > Self.mostFailures { builds[failures.removeFirst()] = nil }
        }
        builds[id]?.outcome = outcome
        ring(id)
        // Who comes later finds the image itself.
        if case .built = outcome { builds[id] = nil }
    }

    // MARK: Listening

    private func ring(_ id: ImageID) {
        for listener in (builds[id]?.listeners ?? [:]).values { listener.yield() }
    }

    private func change(of id: ImageID, until deadline: ContinuousClock.Instant) async throws {
        let (changes, listener) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        nextListener += 1
        let number = nextListener
        builds[id]?.listeners[number] = listener
        defer { builds[id]?.listeners[number] = nil }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in changes { return }
            }
            group.addTask { try? await Task.sleep(until: deadline) }
            await group.next()
            group.cancelAll()
        }
        try Task.checkCancellation()
    }
}
