import ArgumentParser
import CordonAPI

/// Where a sandbox may go.
struct NetworkOptions: ParsableArguments {
    @Flag(help: "Loopback alone.") var blockNetwork = false
    @Flag(help: "The internet.") var openNetwork = false
    @Option(help: ArgumentHelp("An address or range that may be reached; may be repeated.", valueName: "cidr"))
    var allowCidr: [String] = []
    @Option(help: ArgumentHelp("A name that may be reached, *. for all below; may be repeated.", valueName: "name"))
    var allowDomain: [String] = []
    @Flag(help: "Nothing but what is allowed, also if that is nothing.") var allowNothingElse = false

    func validate() throws {
        let lists = !allowCidr.isEmpty || !allowDomain.isEmpty || allowNothingElse
        guard [blockNetwork, openNetwork, lists].count(where: { $0 }) <= 1 else {
            throw ValidationError("--block-network, --open-network, or what is allowed")
        }
    }

    /// nil when nothing was said.
    var request: ReplaceNetworkRequest? {
        if blockNetwork { return ReplaceNetworkRequest(blockNetwork: true) }
        if openNetwork { return ReplaceNetworkRequest(blockNetwork: false) }
        guard !allowCidr.isEmpty || !allowDomain.isEmpty || allowNothingElse else { return nil }
        return ReplaceNetworkRequest(
            cidrAllowlist: allowCidr.isEmpty && !allowDomain.isEmpty ? nil : allowCidr,
            domainAllowlist: allowDomain.isEmpty ? nil : allowDomain)
    }
}
