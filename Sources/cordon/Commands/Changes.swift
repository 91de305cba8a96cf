import ArgumentParser
import CordonAPI
import CordonClient

struct Tag: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sets and removes tags, and prints those there are then.",
        discussion: "key=value sets a tag, key- removes one. Without any, it only prints.")

    @OptionGroup var service: ServiceOptions
    @Flag(help: "Remove all others.") var replace = false
    @Flag(help: "Print them as JSON.") var json = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference
    @Argument(help: ArgumentHelp("What to change.", valueName: "key=value|key-")) var changes: [String] = []

    func run() async throws {
        let client = try service.client()
        let (added, removed) = try Self.parse(changes)
        let tags = try await reporting {
            var found = try await client.sandbox(sandbox)
            if replace || !changes.isEmpty {
                var tags = replace ? [:] : found.tags
                for key in removed { tags[key] = nil }
                tags.merge(added) { $1 }
                found = try await client.replaceTags(of: found.id, with: tags)
            }
            return found.tags
        }
        if json { return try printJSON(tags) }
        for (key, value) in tags.sorted(by: { $0.key < $1.key }) { print("\(key)=\(value)") }
    }

    private static func parse(_ changes: [String]) throws -> (added: [String: String], removed: [String]) {
        let removed = changes.filter { $0.hasSuffix("-") && !$0.contains("=") }
        return (try pairs(changes.filter { !removed.contains($0) }, "tag"), removed.map { String($0.dropLast()) })
    }
}

struct SetTimeout: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set-timeout", abstract: "Changes how long a sandbox lives.",
        discussion: "Seconds count from its start. Prints the sandbox's deadline then.")

    @OptionGroup var service: ServiceOptions
    @Option(help: ArgumentHelp("Seconds without anything happening until it is ended, or none.", valueName: "seconds"))
    var idle: String?
    @Flag(help: "Print the sandbox as JSON.") var json = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference
    @Argument(help: "Its lifetime in seconds.") var seconds: Double?

    func run() async throws {
        var request = UpdateSandboxRequest(timeoutSeconds: seconds)
        if let idle {
            guard idle == "none" || Double(idle) != nil else {
                throw ValidationError("--idle \(idle): a number of seconds, or none")
            }
            request.idleTimeoutSeconds = .some(Double(idle))
        }
        guard seconds != nil || idle != nil else { throw ValidationError("a number of seconds, --idle, or both") }
        let client = try service.client()
        let wanted = request
        let changed = try await reporting { try await client.update(client.identify(sandbox), wanted) }
        if json { return try printJSON(changed) }
        print("\(changed.deadline.map { "\($0)" } ?? "-")")
    }
}
