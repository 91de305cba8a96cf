/// The HTTP fields that are Cordon's own, and those that both sides spell out.
public enum HeaderNames {
    /// The absolute offset of the body's first byte.
    public static let offset = "Cordon-Offset"
    /// How many bytes between the offset asked for and `Cordon-Offset` are gone.
    public static let dropped = "Cordon-Dropped"
    /// The stream's total length; there once it is closed (as a trailer when that happens in mid-body).
    public static let end = "Cordon-End"
    /// A file's permissions, in octal.
    public static let fileMode = "Cordon-File-Mode"
    public static let idempotencyKey = "Idempotency-Key"
    public static let requestID = "X-Request-Id"
}
