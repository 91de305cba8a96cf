import CordonAPI
import SandboxModel

extension BuildOrder {
    /// The build that a `BuildImageRequest`'s body asks for.
    init(json: JSONValue) throws(CordonError) {
        let fields = try FieldReader<BuildImageRequest.CodingKeys>(json)
        guard let dockerfile = try fields.string(.dockerfile) else {
            throw .invalid(field: "dockerfile", value: nil, rule: "a Dockerfile's text")
        }
        guard dockerfile.utf8.count <= Self.maximumDockerfileBytes else {
            throw .invalid(
                field: "dockerfile", value: "\(dockerfile.utf8.count) bytes",
                rule: "at most \(Self.maximumDockerfileBytes) bytes")
        }
        self.init(dockerfile: dockerfile)
        if let text = try fields.string(.context) {
            guard let id = BuildContextID(text) else {
                throw .invalid(field: "context", value: text, rule: "the id of an uploaded context")
            }
            context = id
        }
        let tags = try fields.strings(.tags) ?? []
        guard tags.count <= Self.maximumNames else {
            throw .invalid(field: "tags", value: "\(tags.count) names", rule: "at most \(Self.maximumNames)")
        }
        for (index, text) in tags.enumerated() { names.append(try ImageReference(text, field: "tags[\(index)]")) }
        if let pairs = try fields.pairs(.buildArgs) {
            arguments = try Environment(pairs, field: fields.field(.buildArgs)).variables
        }
        target = try fields.string(.target)
        ignoresCache = try fields.bool(.noCache) ?? false
        network = try NetworkPolicy(block: try fields.bool(.blockNetwork), ranges: nil, domains: nil)
    }

    private static let maximumNames = 32
}
