/// The environment variables that clients are told by. The service takes others of the same prefix,
/// and refuses those that are neither its own nor one of these.
public enum ClientVariables {
    public static let url = "CORDON_URL"
    /// `<id>.<secret>`, as examples take it.
    public static let token = "CORDON_TOKEN"
    public static let tokenID = "CORDON_TOKEN_ID"
    public static let tokenSecret = "CORDON_TOKEN_SECRET"
    /// The path of a `credentials.json`.
    public static let credentials = "CORDON_CREDENTIALS"
    /// The path of a certificate that vouches for the service, in PEM.
    public static let caFile = "CORDON_CA_FILE"
    /// Set in every process of a sandbox.
    public static let sandboxID = "CORDON_SANDBOX_ID"
    public static let execID = "CORDON_EXEC_ID"

    public static let all: Set<String> = [url, token, tokenID, tokenSecret, credentials, caFile, sandboxID, execID]
}
