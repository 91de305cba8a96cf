/// An image to build; every value has been checked but the Dockerfile's own.
public struct BuildOrder: Sendable, Hashable {
    public static let maximumDockerfileBytes = 512 * 1024

    public var dockerfile: String
    /// What `COPY` and `ADD` take from; nil for nothing.
    public var context: BuildContextID?
    /// Names for the result.
    public var names: [ImageReference]
    public var arguments: [String: String]
    /// The stage to build; nil for the last.
    public var target: String?
    /// Whether every step is run, also those whose result is there.
    public var ignoresCache: Bool
    /// Where `RUN` may go; nil for what sandboxes get that don't say.
    public var network: NetworkPolicy?
    /// What names in `FROM` and `COPY --from` stand for before anything else is looked for.
    public var bases: [String: ImageName] = [:]
    /// Whether images that aren't here are pulled.
    public var pulls = false
    /// Goes to the registries of what is pulled, each of which asks for it; nil for the service's own.
    public var login: RegistryLogin?
    /// What every `RUN` has in its environment, and no image.
    public var secrets: BuildSecrets?

    public init(
        dockerfile: String, context: BuildContextID? = nil, names: [ImageReference] = [],
        arguments: [String: String] = [:], target: String? = nil, ignoresCache: Bool = false,
        network: NetworkPolicy? = nil
    ) {
        self.dockerfile = dockerfile
        self.context = context
        self.names = names
        self.arguments = arguments
        self.target = target
        self.ignoresCache = ignoresCache
        self.network = network
    }
}

/// A name and a password for a registry.
public struct RegistryLogin: Sendable, Hashable, CustomStringConvertible {
    public var user: String
    public var password: String

    public init(user: String, password: String) { (self.user, self.password) = (user, password) }

    /// Without the password.
    public var description: String { "the login \(user)" }
}

/// Variables of a build's steps that are kept as closely as a sandbox's secrets.
public struct BuildSecrets: Sendable, Hashable {
    public var environment: Environment
    /// What the values are known by, without telling them: a step that was done with others is done anew.
    public var tag: String

    public init(environment: Environment, tag: String) { (self.environment, self.tag) = (environment, tag) }
}
