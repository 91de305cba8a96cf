import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

/// What a new sandbox is made of.
struct SandboxOptions: ParsableArguments {
    @Option(help: "The app that it belongs to.") var app: String?
    @Option(help: "A name, unique among the app's running sandboxes.") var name: String?
    @Option(name: .long, help: ArgumentHelp("A tag; may be repeated.", valueName: "key=value")) var tag: [String] = []
    @Option(name: [.long, .short], help: ArgumentHelp("A variable; KEY alone takes ours.", valueName: "KEY=value"))
    var env: [String] = []
    @Option(help: "The working directory.") var workdir: String?
    @Option(help: "Seconds until it is ended.") var timeout: Double?
    @Option(help: "Seconds without anything happening until it is ended.") var idleTimeout: Double?
    @Option(help: "The most cores.") var cpu: Double?
    @Option(help: "The most memory, in MiB.") var memory: Double?
    @Option(help: "The most processes.") var pids: Int?
    @Option(help: "The system call policy: default or strict.", completion: .list(["default", "strict"]))
    var policy: String?

    func request(timeout: Double?) throws -> CreateSandboxRequest {
        var request = CreateSandboxRequest()
        request.app = app
        request.name = name
        if !tag.isEmpty { request.tags = try pairs(tag, "--tag") }
        if !env.isEmpty { request.env = try variables(env) }
        request.workdir = workdir
        request.timeoutSeconds = timeout
        request.idleTimeoutSeconds = idleTimeout
        request.cpu = cpu.map { AmountRequest(limit: $0) }
        request.memoryMiB = memory.map { AmountRequest(limit: $0) }
        request.pidsLimit = pids
        request.policy = policy
        return request
    }
}

func pairs(_ texts: [String], _ option: String) throws -> [String: String] {
    var pairs: [String: String] = [:]
    for text in texts {
        guard let equals = text.firstIndex(of: "=") else { throw ValidationError("\(option) \(text): key=value") }
        pairs[String(text[..<equals])] = String(text[text.index(after: equals)...])
    }
    return pairs
}

/// `KEY=value` as it is, `KEY` from our own environment, so that a secret needn't be in argv.
func variables(_ texts: [String]) throws -> [String: String] {
    let ours = ProcessInfo.processInfo.environment
    return try pairs(
        texts.compactMap { text in
            text.contains("=") ? text : ours[text].map { "\(text)=\($0)" }
        }, "--env")
}
