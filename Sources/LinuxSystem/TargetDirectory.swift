import CLinux
import Glibc

/// A directory of the layer, which is made once something is put into it.
final class TargetDirectory {
    private let parent: TargetDirectory?
    private let name: [UInt8]
    private var raw: Int32
    private var owned: SharedDescriptor?

    init(_ root: Int32) { (parent, name, raw) = (nil, [], root) }
    init(_ parent: TargetDirectory, _ name: [UInt8]) { (self.parent, self.name, raw) = (parent, name, -1) }

    var isMade: Bool { raw >= 0 }

    func make() throws(SystemCallError) -> Int32 {
        guard raw < 0, let parent else { return raw }
        let above = try parent.make()
        raw = try name.withCString { (cName) throws(SystemCallError) -> Int32 in
            try check(mkdirat(above, cName, 0o700), "mkdir", "layer")
            return try check(openat(above, cName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open", "layer")
        }
        owned = SharedDescriptor(Descriptor(owning: raw))
        return raw
    }
}

extension [UInt8] {
    /// With a NUL behind the last.
    func withCString<Value, Failure: Error>(
        _ body: (UnsafePointer<CChar>) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let text = map { CChar(bitPattern: $0) } + [0]
        return try text.withUnsafeBufferPointer { (buffer) throws(Failure) -> Value in
            guard let start = buffer.baseAddress else { preconditionFailure("it has a NUL at least") }
            return try body(start)
        }
    }
}
