import ServiceConfiguration
import Testing

/// Bounds that follow from the limit of open descriptors.
struct DescriptorBudgetTests {
    private func fitted(_ arguments: [String], limit: Int) throws -> (ServiceConfiguration, notes: [String]) {
        var loaded = try LoadedConfiguration(arguments: arguments, environment: [:])
        let notes = try loaded.fit(DescriptorBudget(limit: limit))
        return (loaded.values, notes)
    }

    @Test("with descriptors to spare the bounds are the usual ones, without a word")
    func plenty() throws {
        let (values, notes) = try fitted([], limit: 524_288)
        #expect(values.maximumConnections == 10_000)
        #expect(values.maximumTunnelConnections == 10_000)
        #expect(values.maximumWaits == 8_192)
        #expect(values.maximumSandboxes == 4000)
        #expect(notes.isEmpty)
    }

    @Test("what nobody set is made to fit, and said", arguments: [1024, 4096, 20_000])
    func few(limit: Int) throws {
        let (values, notes) = try fitted([], limit: limit)
        let connections = try #require(values.maximumConnections)
        #expect(connections >= 16)
        #expect(values.maximumSandboxes >= 1)
        let tunnels = try #require(values.maximumTunnelConnections)
        #expect(tunnels >= 4)
        #expect(256 + values.maximumSandboxes + 5 * connections + 6 * tunnels <= limit)
        #expect(try #require(values.maximumWaits) <= connections)
        #expect(!notes.isEmpty)
    }

    @Test("what somebody set and can't be had is refused", arguments: ["--max-connections", "--max-sandboxes"])
    func refused(flag: String) {
        let refusal = #expect(throws: ConfigurationRefused.self) { try fitted([flag, "4000"], limit: 4000) }
        #expect(refusal?.problems.first?.origin == .flag(flag))
    }
}
