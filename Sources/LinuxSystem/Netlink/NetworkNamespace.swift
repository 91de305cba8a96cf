import CLinux
import Glibc

/// A network namespace, held open. A thread enters one, and its program's others stay where they are.
public final class NetworkNamespace {
    private let descriptor: SharedDescriptor

    public var raw: Int32 { descriptor.raw }

    /// Another descriptor of it.
    public func duplicate() throws(SystemCallError) -> Descriptor {
        Descriptor(owning: try check(cordon_duplicate(raw), "dup", "network"))
    }

    private init(_ descriptor: SharedDescriptor) { self.descriptor = descriptor }

    /// That of this thread.
    public static func current() throws(SystemCallError) -> NetworkNamespace {
        try NetworkNamespace(opening: "/proc/thread-self/ns/net")
    }

    /// The namespace behind a path. Throws `EINVAL` when it is something else.
    public init(opening path: String) throws(SystemCallError) {
        let file = Descriptor(owning: try check(cordon_open(AT_FDCWD, path, O_RDONLY, 0), "open", path))
        guard cordon_is_network_namespace(file.raw) else {
            throw SystemCallError("open", "\(path): not a network namespace", errno: EINVAL)
        }
        descriptor = SharedDescriptor(file)
    }

    /// A new one. This thread stays where it is.
    public static func make(from home: NetworkNamespace) throws(SystemCallError) -> NetworkNamespace {
        try check(cordon_unshare(cordon_clone_newnet), "unshare", "network")
        defer { home.returnHome() }
        return try .current()
    }

    /// Whether both are the same namespace.
    public func isSame(as other: NetworkNamespace) -> Bool {
        var (mine, theirs) = (stat(), stat())
        guard fstat(raw, &mine) == 0, fstat(other.raw, &theirs) == 0 else { return false }
        return mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino
    }

    /// Runs `work` inside, and comes back to `home` whatever happens.
    public func run<Value>(
        from home: NetworkNamespace, _ work: () throws(SystemCallError) -> Value
    ) throws(SystemCallError) -> Value {
        try Self.run(in: raw, from: home, work)
    }

    /// The same, in a namespace that somebody else holds open.
    public static func run<Value>(
        in namespace: Int32, from home: NetworkNamespace, _ work: () throws(SystemCallError) -> Value
    ) throws(SystemCallError) -> Value {
        try check(cordon_setns(namespace, cordon_clone_newnet), "setns", "network")
        defer { home.returnHome() }
        return try work()
    }

    /// What does the host's work in another namespace's place would be worse than nothing.
    private func returnHome() {
        if cordon_setns(raw, cordon_clone_newnet) < 0 { abort() }
    }
}
