import ServiceSupport
import Testing

/// The checks are in `Programs/names.py`: each builds a world of network namespaces with names in it.
@Suite("Names", .serialized, .timeLimit(.minutes(5)))
struct NameTests {
    private func check(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let program = try ServiceInstance.path(ofProgram: "names")
        let (status, output) = try await ServiceInstance.program(
            "/usr/bin/unshare", ["--net", "--mount", "/usr/bin/python3", "-B", program, name],
            environment: ["NETLAB_PRODUCTS": try ServiceInstance.products, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
        #expect(status == 0, "names.py \(name): \(output.suffix(4000))", sourceLocation: sourceLocation)
    }

    @Test("an open sandbox resolves every name, but to no closed address")
    func open() async throws { try await check("open_sandboxes_resolve") }

    @Test("the host's resolver is asked, a loopback stub too, whichever it is at the time")
    func stub() async throws { try await check("a_loopback_stub_is_asked") }

    @Test("names of a domain_allowlist lead where they resolve to")
    func listed() async throws { try await check("listed_names_work") }

    @Test("other names, addresses, resolvers and sites of the same address are denied with the reason")
    func others() async throws { try await check("other_names_do_not") }

    @Test("names are bounded as a way out for data")
    func tunnels() async throws { try await check("names_are_no_tunnel") }

    @Test("a name that leads to a closed address from its second answer on opens nothing")
    func turning() async throws { try await check("names_that_turn") }

    @Test("git clones, fetches and pushes over HTTP and TLS, also through the name proxy")
    func git() async throws { try await check("git_clones_fetches_and_pushes") }

    @Test("a sandbox's connections through the name proxy are bounded, those of both families together")
    func bounds() async throws { try await check("connections_are_bounded") }

    @Test("a replaced policy cuts the connections that it doesn't allow, and leaves the others")
    func changes() async throws { try await check("policies_change_under_flows") }

    @Test("names are served again after the service or the launcher was killed")
    func kills() async throws { try await check("kills_and_restarts") }
}
