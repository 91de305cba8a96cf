import SandboxModel

/// A lease on nothing.
struct NoLease: SandboxLease {
    func release() {}
}
