/// The name of an image as registries and Docker have it: `[registry/]repository[:tag][@digest]`
/// (https://github.com/distribution/reference). A name without a registry means Docker Hub's, one without a tag
/// `latest`.
public struct ImageReference: Sendable, Hashable, CustomStringConvertible {
    public static let defaultRegistry = "docker.io"
    private static let rule =
        "a name such as debian:12, registry.example:5000/team/app:1.0 or NAME@sha256:…, in lower case"

    /// A host, perhaps with a port.
    public let registry: String
    public let repository: String
    /// nil where only a digest was given.
    public let tag: String?
    public let digest: ContentDigest?

    /// Throws `invalidArgument` for `field`.
    public init(_ text: String, field: String = "reference") throws(CordonError) {
        guard let parsed = Self.parse(text) else { throw .invalid(field: field, value: text, rule: Self.rule) }
        self = parsed
    }

    private init(registry: String, repository: String, tag: String?, digest: ContentDigest?) {
        (self.registry, self.repository, self.tag, self.digest) = (registry, repository, tag, digest)
    }

    private static func parse(_ text: String) -> ImageReference? {
        guard (1...512).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            return nil
        }
        var rest = text[...]
        var digest: ContentDigest?
        if let at = rest.firstIndex(of: "@") {
            guard let found = ContentDigest(String(rest[rest.index(after: at)...])) else { return nil }
            digest = found
            rest = rest[..<at]
        }
        var tag: String?
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
            tag = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
            guard let tag, isTag(tag) else { return nil }
        }
        var registry = defaultRegistry
        if let slash = rest.firstIndex(of: "/") {
            let first = rest[..<slash]
            if first.contains(".") || first.contains(":") || first == "localhost" {
                guard isRegistry(first) else { return nil }
                registry = first == "index.docker.io" ? defaultRegistry : String(first)
                rest = rest[rest.index(after: slash)...]
            }
        }
        var repository = String(rest)
        if registry == defaultRegistry, !repository.contains("/") { repository = "library/" + repository }
        guard isRepository(repository) else { return nil }
        return ImageReference(
            registry: registry, repository: repository, tag: tag ?? (digest == nil ? "latest" : nil), digest: digest)
    }

    private static func isLowerOrDigit(_ byte: UInt8) -> Bool { (97...122).contains(byte) || (48...57).contains(byte) }

    private static func isTag(_ tag: String) -> Bool {
        guard let first = tag.utf8.first, tag.utf8.count <= 128, first != UInt8(ascii: "."),
            first != UInt8(ascii: "-")
        else { return false }
        return tag.utf8.allSatisfy(NameRules.isNameByte)
    }

    private static func isRegistry(_ text: Substring) -> Bool {
        let halves = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        if halves.count == 2 { guard let port = UInt16(halves[1]), port > 0 else { return false } }
        let host = halves[0]
        return (1...253).contains(host.utf8.count)
            && host.utf8.allSatisfy { isLowerOrDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
            && host.first != "." && host.first != "-" && !host.contains("..")
    }

    /// Components of lowercase letters and digits, with `.`, `_`, `__` or dashes within.
    private static func isRepository(_ text: String) -> Bool {
        guard (1...255).contains(text.utf8.count) else { return false }
        return text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { component in
            guard let first = component.utf8.first, let last = component.utf8.last, isLowerOrDigit(first),
                isLowerOrDigit(last)
            else { return false }
            let separators = component.split(whereSeparator: { $0.utf8.allSatisfy(isLowerOrDigit) })
            return separators.allSatisfy { run in
                run == "." || run == "_" || run == "__" || run.allSatisfy { $0 == "-" }
            }
        }
    }

    /// Everything said: `docker.io/library/debian:12`.
    public var description: String {
        "\(registry)/\(repository)" + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }
}
