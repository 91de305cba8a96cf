/// What commands run with in a sandbox made from an image, where nobody says otherwise.
public struct ImageConfig: Sendable, Hashable {
    public var environment: Environment = .empty
    public var workdir: String?
    /// A name or number in the image's `/etc/passwd`, optionally `:group`.
    public var user: String?
    /// Goes before the main command's own arguments.
    public var entrypoint: [String] = []
    /// What Docker runs without a command; a sandbox without one runs nothing.
    public var command: [String] = []
    /// As the image has them: `8080/tcp`.
    public var exposedPorts: [String] = []
    public var labels: [String: String] = [:]
    /// What `RUN` in shell form is run by; empty for `/bin/sh -c`.
    public var shell: [String] = []

    public static let none = ImageConfig()

    public init() {}
}
