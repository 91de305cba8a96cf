public import CordonAPI

extension CordonClient {
    /// Runs a command in several copies of a sandbox; `show` hears how far they are. Asked for again where the connection
    /// is lost, it is joined.
    public func branch(
        _ sandbox: String, _ request: BranchRequest, _ show: (BranchProgress) async throws -> Void
    ) async throws -> BranchSet {
        let last = try await follow(
            "/v1/sandboxes/\(Self.escape(sandbox))/branches", JSONText.encode(request), key: Self.newKey(), show)
        if let result = last?.result { return result }
        if let problem = last?.problem { throw ClientError.refused(problem) }
        throw ClientError.unexpected("the answer has no end")
    }
}
