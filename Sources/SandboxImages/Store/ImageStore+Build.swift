import SandboxModel

extension ImageStore {
    private static let pieceBytes = 256 * 1024

    public func addContext(next: () async throws -> [UInt8]?) async throws -> BuildContextID {
        try await during("taking a build context") { try await contexts.add(next: next) }
    }

    public func build(_ order: BuildOrder, report: @escaping ImageReporter) async throws -> ImageRecord {
        try await operation("building an image") {
            let file: Dockerfile
            do throws(DockerfileError) {
                file = try Dockerfile(order.dockerfile)
            } catch { throw error.converted }
            guard let context = order.context else {
                return try await DockerfileBuild(
                    store: self, order: order, file: file, context: nil, report: report
                ).run()
            }
            let archive = try contexts.open(context)
            return try await builders.scratch(on: .nothing) { sandbox in
                let source = try await CopySource(host: builders.host, contextIn: sandbox, limits: limits) {
                    try await archive.next(Self.pieceBytes)
                }
                return try await DockerfileBuild(
                    store: self, order: order, file: file, context: source, report: report
                ).run()
            }
        }
    }
}
