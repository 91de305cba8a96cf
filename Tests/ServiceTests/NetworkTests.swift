import ServiceSupport
import Testing

/// The checks are in `Programs/network.py`: each builds a world of network namespaces (`netlab.py`), and has a
/// service of its own in it.
@Suite("Networks", .serialized, .timeLimit(.minutes(6)))
struct NetworkTests {
    private func check(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let program = try ServiceInstance.path(ofProgram: "network")
        let (status, output) = try await ServiceInstance.program(
            "/usr/bin/unshare", ["--net", "--mount", "/usr/bin/python3", "-B", program, name],
            environment: ["NETLAB_PRODUCTS": try ServiceInstance.products, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
        #expect(status == 0, "network.py \(name): \(output.suffix(4000))", sourceLocation: sourceLocation)
    }

    @Test("an open sandbox reaches the internet by the host's address")
    func open() async throws { try await check("open_reaches_the_internet") }

    @Test("a blocked sandbox has its loopback interface and nothing else")
    func blocked() async throws { try await check("blocked_has_loopback_alone") }

    @Test("the host, other sandboxes, private and metadata addresses are closed to everybody")
    func floor() async throws { try await check("the_floor_holds") }

    @Test("what is sent in another's name goes nowhere, and is told of its sender")
    func spoofing() async throws { try await check("forged_sources_go_nowhere") }

    @Test("root inside can't change addresses, routes, interfaces or rules")
    func tampering() async throws { try await check("nothing_inside_changes_the_network") }

    @Test("a list allows what it says, an empty one nothing, and what is denied is told")
    func lists() async throws { try await check("lists_allow_what_they_say") }

    @Test("private ranges open as far as the configuration says")
    func privateRanges() async throws { try await check("private_ranges_by_configuration") }

    @Test("cordon network shows where a sandbox may go, and replaces it")
    func commandLine() async throws { try await check("the_command_line_shows_and_replaces_policies") }

    @Test("a policy that is replaced cuts the flows that it no longer allows")
    func changes() async throws { try await check("policies_change_in_mid_flow") }

    @Test("killing the service or the launcher cuts nothing, opens nothing and leaves nothing")
    func kills() async throws { try await check("kills_change_nothing") }

    @Test("the host's firewall, addresses, routes and settings are as before, but for what forwarding needs")
    func host() async throws { try await check("the_host_is_left_as_it_was") }

    @Test("two instances share a host and its settings")
    func instances() async throws { try await check("two_instances_side_by_side") }

    @Test("a sandbox's connections are bounded, and another's are its own")
    func bounds() async throws { try await check("bounds_hold") }

    @Test("a sandbox that begins flow after flow fills nobody else's tables")
    func floods() async throws { try await check("floods_fill_no_table") }

    @Test("all sandboxes together leave the host its share of the kernel's memory of connections")
    func crowds() async throws { try await check("crowds_leave_room") }

    @Test("a thousand sandboxes with networks come and go, and nothing grows")
    func cycles() async throws { try await check("slots_cycle") }

    @Test("without a network, or without IPv6, sandboxes run all the same")
    func without() async throws { try await check("without_ipv6_or_a_network") }

    @Test("where networks can't be had, the log and the refusals say why")
    func withoutRights() async throws { try await check("a_host_without_rights_says_so") }

    @Test("packages come from the registries into an open sandbox, where they are installed as root")
    func registries() async throws {
        // In the host's own namespace: what is forwarded here is put back when the service is down.
        try await withService("--network=true") { service in
            let id = try await service.create()
            let install = """
                apt-get -qq update && apt-get -qq install -y --no-install-recommends hello > /dev/null 2>&1 && hello
                python3 -m venv /tmp/venv && /tmp/venv/bin/pip install -q six && /tmp/venv/bin/python -c 'import six; print("six")'
                """
            let installed = try await service.run(["sh", "-c", install], in: id)
            #expect(installed.stdout == "Hello, world!\nsix\n", "\(installed)")
        }
    }
}
