/// Which client's request the present task works for, for log lines that it causes.
public enum RequestTrace {
    /// The id that the client was told; nil outside of requests. Tasks started within inherit it.
    @TaskLocal public static var id: String?
}
