import Glibc

/// A system call that failed: which, on what, and the kernel's errno.
public struct SystemCallError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The call's name, as in its manual page.
    public let call: String
    /// What it was about: a path below our own directories, a controller, a step. Never a secret.
    public let subject: String
    public let errno: Int32

    public init(_ call: String, _ subject: String = "", errno: Int32 = Glibc.errno) {
        self.call = call
        self.subject = subject
        self.errno = errno
    }

    /// The kernel's words for the errno.
    public var reason: String { String(cString: strerror(errno)) }

    public var description: String {
        subject.isEmpty ? "\(call): \(reason)" : "\(call) \(subject): \(reason)"
    }
}

/// The result of a call that returns -1 on failure, or its error.
@inline(__always) @discardableResult
public func check<Value: SignedInteger>(
    _ value: Value, _ call: StaticString, _ subject: @autoclosure () -> String = ""
) throws(SystemCallError) -> Value {
    if value < 0 {
        let number = Glibc.errno
        throw SystemCallError("\(call)", subject(), errno: number)
    }
    return value
}
