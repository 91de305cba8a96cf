import ServiceSupport
import Testing

/// Debian as a user would take it: from a registry, with packages from the network; the checks are in `Programs/debian.py`.
@Suite("Debian", .serialized)
struct DebianTests {
    @Test("Debian is pulled, built upon with apt-get, pip and COPY, kept, and branched into eight that all differ")
    func whole() async throws { try await check("debian", "whole", service: ["--network=true"]) }

    @Test("RUN has the network that sandboxes have, and none where it is blocked")
    func networks() async throws { try await check("debian", "networks", service: ["--network=true"]) }
}
