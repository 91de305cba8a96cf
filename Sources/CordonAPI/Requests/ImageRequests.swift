/// The body of `POST /v1/images/pull`.
public struct PullImageRequest: Sendable, Hashable, Encodable {
    /// Such as `debian:12` or `registry.example:5000/team/app@sha256:…`.
    public var reference: String

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case reference
    }

    public init(reference: String) { self.reference = reference }
}

/// The body of `POST /v1/images/build`.
public struct BuildImageRequest: Sendable, Hashable, Encodable {
    /// The Dockerfile's text.
    public var dockerfile: String
    /// The id of an uploaded context; without one there is nothing to copy from.
    public var context: String?
    /// Names for the image.
    public var tags: [String]?
    public var buildArgs: [String: String]?
    /// The stage to build; the last unless said.
    public var target: String?
    public var noCache: Bool?
    /// For `RUN`: as in a create request.
    public var blockNetwork: Bool?

    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case dockerfile, context, tags, target
        case buildArgs = "build_args"
        case noCache = "no_cache"
        case blockNetwork = "block_network"
    }

    public init(dockerfile: String) { self.dockerfile = dockerfile }
}
