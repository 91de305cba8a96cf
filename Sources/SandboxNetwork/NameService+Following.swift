import SandboxModel

extension NameService: NetworkFollower {
    /// Nobody waits: whatever is asked meanwhile is judged by the policy as it is.
    public func networkChanged(of id: SandboxID) {
        Task {
            await resolver.forgetOpenings(of: id)
            await proxy.judgeAgain(id)
        }
    }

    public func networkLeft(by id: SandboxID) {
        Task {
            await resolver.forget(id)
            await proxy.close(id)
        }
    }
}
