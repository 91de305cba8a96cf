/// Hears of what the network's name services must know of sandboxes, once it is so for everybody. Called by
/// sandboxes in the middle of their own business: it doesn't wait.
public protocol NetworkFollower: Sendable {
    /// A sandbox has another network policy, or the same anew: the kernel has forgotten what names had opened.
    func networkChanged(of id: SandboxID)
    /// A sandbox is over.
    func networkLeft(by id: SandboxID)
}

/// A follower for those who serve no names.
public struct Unfollowed: NetworkFollower {
    public init() {}
    public func networkChanged(of id: SandboxID) {}
    public func networkLeft(by id: SandboxID) {}
}
