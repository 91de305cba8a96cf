/// What Modal's own suites expect of a server, and the programs here don't show, by name and with the reason.
struct NotCovered: CustomStringConvertible {
    enum Reason: Equatable {
        /// It is answered with UNIMPLEMENTED and a sentence that names it: `refused.py` shows that.
        case refused
        /// It is as it should be, or can't be, for a reason that no program of this suite can show.
        case other(String)
    }

    let name: String
    let reason: Reason

    var description: String {
        switch reason {
        case .refused: "\(name): not served, and refused"
        case .other(let text): "\(name): \(text)"
        }
    }

    private init(_ name: String, _ reason: Reason) { (self.name, self.reason) = (name, reason) }

    static let refused: [NotCovered] = [
        NotCovered("GPUs", .refused),
        NotCovered("memory snapshots and restores", .refused),
        NotCovered("exit snapshots", .refused),
        NotCovered("persistent sandboxes", .refused),
        NotCovered("runtimes that a client chooses", .refused),
        NotCovered("custom domains", .refused),
        NotCovered("identity tokens", .refused),
        NotCovered("Docker in sandboxes (the option enable_docker)", .refused),
        NotCovered("private networks between containers (i6pn)", .refused),
        NotCovered("outbound policies that rewrite headers", .refused),
        NotCovered("encryption keys of a client's own", .refused),
        NotCovered("statistics", .refused),
        NotCovered("queues", .refused),
        NotCovered("dicts", .refused),
        NotCovered("network file systems", .refused),
        NotCovered("functions", .refused),
    ]

    static let other: [NotCovered] = [
        NotCovered("proxies", .other("none can be made, so that none is found: data.py")),
        NotCovered(
            "encrypted tunnels at port 443",
            .other("each tunnel has a port of its own, unless the service has a wildcard domain, which takes a DNS")),
        NotCovered(
            "an exec's code 137 after its timeout",
            .other("the Python SDK says -1, by its own clock, before it hears of the code")),
        NotCovered(
            "ClientClosedError after terminate and detach, sidecars' names, probes' and timeouts' checks",
            .other("done by the clients of other languages, or before anything is sent")),
        NotCovered(
            "the end of a snapshot's time to live", .other("the image store's tests show it, with a clock of theirs")),
        NotCovered(
            "what an allowlist lets through",
            .other("the same for every front: the network's tests show it with servers of their own")),
        NotCovered(
            "how `modal shell` says that its command failed", .other("the SDK doesn't look at the exit status")),
        NotCovered("a window that becomes another during `modal shell`", .other("the SDK tells its size once")),
        NotCovered("`modal token new`", .other("it needs a browser, and a web page of Modal's; it is refused")),
        NotCovered("images whose base is on Docker Hub", .other("a registry on this machine stands for it: images.py")),
        NotCovered(
            "servers at another host, whose certificates certifi knows",
            .other("it takes a certificate that only a public authority gives")),
        NotCovered(
            "a watch's paths where what is watched is a link",
            .other("they begin with the link's own path, and not with that of what it leads to")),
        NotCovered("limits of an hour and more", .other("the engine's tests show deadlines with shorter ones")),
        NotCovered(
            "1.2.6 while the service is killed", .other("the SDK itself gives up where nobody listens: docs/MODAL.md")),
    ]
}
