import SandboxModel

extension Engine {
    /// Where a sandbox may go, as everybody sees it now; nil once it is over, when there is none, and while
    /// its policy is being changed.
    public func networkPolicy(of id: SandboxID) -> NetworkPolicy? {
        guard let snapshot = world.registry.sandbox(id)?.snapshot else { return nil }
        if case .ended = snapshot.status { return nil }
        return snapshot.spec.networkChange == nil ? snapshot.spec.network : nil
    }
}
