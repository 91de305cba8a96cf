import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

/// What a new sandbox is made of.
struct SandboxOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The image: host, an image's id, or a name.", valueName: "image")) var image: String?
    @Option(help: "The app that it belongs to.") var app: String?
    @Option(help: "A name, unique among the app's running sandboxes.") var name: String?
    @Option(name: .long, help: ArgumentHelp("A tag; may be repeated.", valueName: "key=value")) var tag: [String] = []
    @Option(name: [.long, .short], help: ArgumentHelp("A variable; KEY alone takes ours.", valueName: "KEY=value"))
    var env: [String] = []
    @Option(help: ArgumentHelp("A secret whose variables it gets; may be repeated.", valueName: "name"))
    var secret: [String] = []
    @Option(
        help: ArgumentHelp(
            "A volume, or a directory of it, at a path; may be repeated.", valueName: "name[/dir]:/path[:ro]"))
    var volume: [VolumePlace] = []
    @OptionGroup var buckets: BucketOptions
    @Option(help: "The working directory.") var workdir: String?
    @Option(help: "Seconds until it is ended.") var timeout: Double?
    @Option(help: "Seconds without anything happening until it is ended.") var idleTimeout: Double?
    @Option(help: "The most cores.") var cpu: Double?
    @Option(help: "The most memory, in MiB.") var memory: Double?
    @Option(help: "The most processes.") var pids: Int?
    @Option(help: "The most on disk, in MiB.") var disk: Int?
    @Option(help: "The system call policy: default or strict.", completion: .list(["default", "strict"]))
    var policy: String?
    @OptionGroup var network: NetworkOptions
    @Option(name: .customLong("encrypted-port"), help: "A port to reach from outside through TLS; may be repeated.")
    var encryptedPorts: [Int] = []
    @Option(name: .customLong("h2-port"), help: "The same, with HTTP/2 (ALPN h2); may be repeated.")
    var h2Ports: [Int] = []
    @Option(name: .customLong("unencrypted-port"), help: "The same, without TLS; may be repeated.")
    var unencryptedPorts: [Int] = []
    @Option(
        name: .customLong("allow-inbound"),
        help: ArgumentHelp("Who may reach them; may be repeated. Everybody, without.", valueName: "cidr"))
    var inbound: [String] = []
    @Option(help: ArgumentHelp("It is ready once this port accepts.", valueName: "port")) var readyPort: Int?
    @Option(help: ArgumentHelp("It is ready once this shell command ends with 0.", valueName: "command"))
    var readyCommand: String?

    func request(timeout: Double?) throws -> CreateSandboxRequest {
        var request = CreateSandboxRequest()
        request.image = image
        request.app = app
        request.name = name
        if !tag.isEmpty { request.tags = try pairs(tag, "--tag") }
        if !env.isEmpty { request.env = try variables(env) }
        if !secret.isEmpty { request.secrets = secret.map { .stored($0) } }
        if !volume.isEmpty { request.volumes = volume.map(\.request) }
        request.cloudBuckets = buckets.requests
        request.workdir = workdir
        request.timeoutSeconds = timeout
        request.idleTimeoutSeconds = idleTimeout
        request.cpu = cpu.map { AmountRequest(limit: $0) }
        request.memoryMiB = memory.map { AmountRequest(limit: $0) }
        request.pidsLimit = pids
        request.diskMiB = disk
        request.policy = policy
        if let policy = network.request {
            request.blockNetwork = policy.blockNetwork
            request.cidrAllowlist = policy.cidrAllowlist
            request.domainAllowlist = policy.domainAllowlist
        }
        if !encryptedPorts.isEmpty { request.encryptedPorts = encryptedPorts }
        if !h2Ports.isEmpty { request.h2Ports = h2Ports }
        if !unencryptedPorts.isEmpty { request.unencryptedPorts = unencryptedPorts }
        if !inbound.isEmpty { request.inboundCIDRAllowlist = inbound }
        if readyPort != nil || readyCommand != nil {
            request.readinessProbe = ProbeRequest(tcpPort: readyPort, argv: readyCommand.map { ["/bin/sh", "-c", $0] })
        }
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
