import CordonAPI
import HTTPTypes
import HummingbirdCore
import SandboxModel

/// Everything that images come from.
enum ImageMakingRoutes {
    static func pull(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let fields = try FieldReader<PullImageRequest.CodingKeys>(try await exchange.jsonBody().value)
        guard let text = try fields.string(.reference) else {
            throw CordonError.invalid(field: "reference", value: nil, rule: "an image's name in a registry")
        }
        let reference = try ImageReference(text)
        let images = exchange.front.images
        return try await ImageWork(exchange: exchange).answer { report in
            try await images.pull(reference, report: report)
        }
    }

    static func build(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let order = try BuildOrder(json: try await exchange.jsonBody().value)
        let images = exchange.front.images
        return try await ImageWork(exchange: exchange).answer { report in
            try await images.build(order, report: report)
        }
    }

    static func importArchive(_ exchange: Exchange) async throws -> Response {
        let query = try exchange.query(["name"], repeated: ["name"])
        let names = try query.texts("name").map { try ImageReference($0, field: "name") }
        let images = exchange.front.images
        try exchange.requireContentType("application/octet-stream")
        let made = try await exchange.upload { body in
            try await images.importArchive(names: names, report: { _ in }, next: { try await body.next() })
        }
        return try .json(ImageList(images: made.map { Image($0) }, nextCursor: nil))
    }

    static func addContext(_ exchange: Exchange) async throws -> Response {
        _ = try exchange.query([])
        let images = exchange.front.images
        try exchange.requireContentType("application/octet-stream")
        let id = try await exchange.upload { body in try await images.addContext { try await body.next() } }
        return try .json(BuildContextResponse(id: id.text), status: .created)
    }
}
