import ArgumentParser
import CordonClient
import Foundation

extension SandboxReference: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }

    public static var defaultCompletionKind: CompletionKind {
        .custom { words, _, prefix in await SandboxCompletion.candidates(words, prefix: prefix) }
    }
}

/// What a shell may put for a sandbox: asked of the service while the key is down, so it gives up soon.
enum SandboxCompletion {
    /// The most sandboxes that are asked for.
    private static let limit = 200

    static func candidates(_ words: [String], prefix: String) async -> [String] {
        let options = CredentialOptions(
            file: value(of: "--credentials", in: words), url: value(of: "--url", in: words),
            tokenFile: value(of: "--token-file", in: words), caFile: value(of: "--ca-file", in: words))
        guard let found = try? Credentials.find(options, environment: ProcessInfo.processInfo.environment),
            var client = try? CordonClient(found.credentials)
        else { return [] }
        client.patience = .milliseconds(200)
        let parameters = [("state", "running"), ("limit", String(limit))]
        guard let page = try? await client.sandboxes(parameters) else { return [] }
        return page.sandboxes.flatMap { sandbox in
            [sandbox.name.map { SandboxReference.name($0, app: sandbox.app).description }, sandbox.id].compactMap(
                \.self)
        }.filter { $0.hasPrefix(prefix) }
    }

    private static func value(of option: String, in words: [String]) -> String? {
        if let joined = words.last(where: { $0.hasPrefix(option + "=") }) {
            return String(joined.dropFirst(option.count + 1))
        }
        guard let index = words.lastIndex(of: option), index + 1 < words.count else { return nil }
        return words[index + 1]
    }
}
