/// Where a caller's work runs: what is started for it, and isn't to be cancelled with it, goes on in the same place
/// instead of waking a thread elsewhere. (An executor preference isn't inherited by unstructured tasks, SE-0417.)
public enum CallerExecutor {
    /// nil for any thread.
    @TaskLocal public static var current: (any TaskExecutor)?
}
