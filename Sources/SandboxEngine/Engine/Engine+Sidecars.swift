import SandboxModel

extension Engine {
    /// The running sandbox that this is to be a sidecar of; nil for a sandbox of its own.
    func main(of spec: SandboxSpec) async throws -> Sandbox? {
        guard let id = spec.sidecarOf else { return nil }
        let main = try find(id)
        guard main.snapshot.spec.sidecarOf == nil else {
            throw CordonError(
                .failedPrecondition, "sandbox \(id) is a sidecar itself", field: "id", value: id.text,
                rule: "sidecars have none")
        }
        _ = try Sidecar.name(spec.name?.text)
        guard spec.network == nil else {
            throw CordonError.invalid(
                field: "network", value: nil,
                rule: "a sidecar shares its sandbox's network, whose policy holds for both: PUT …/network of \(id)")
        }
        guard spec.tunnels.isEmpty else {
            throw CordonError.invalid(
                field: "tunnels", value: nil,
                rule: "a sidecar shares its sandbox's network: the sandbox's own tunnels lead to its ports")
        }
        try await main.requireRunning()
        return main
    }
}

extension SandboxSpec {
    /// This, as a sidecar of that sandbox.
    func joining(_ main: SandboxSnapshot) -> SandboxSpec {
        var spec = self
        spec.app = main.spec.app
        spec.network = main.spec.network
        return spec
    }
}

extension Sandbox {
    /// Sees its sidecars to their end, which began with its own: returns once nothing is left of them.
    func endSidecars() async {
        await withTaskGroup(of: Void.self) { group in
            for sidecar in world.registry.liveSidecars(of: id) {
                group.addTask {
                    do {
                        _ = try await sidecar.terminate()
                    } catch {
                        // One that was still being made never was; any other ends all the same.
                        sidecar.world.logger.info(
                            "a sidecar's end wasn't waited for",
                            metadata: ["sandbox": "\(sidecar.id)", "error": "\(error)"])
                    }
                }
            }
        }
    }
}
