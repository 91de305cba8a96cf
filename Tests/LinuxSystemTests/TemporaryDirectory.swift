import Glibc
import LinuxSystem

/// A directory below `/tmp` for one test; removed with the program under test's own means.
func withDirectory<Result>(_ body: (Directory) throws -> Result) throws -> Result {
    var template = Array("/tmp/cordon-unit-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp", "/tmp") }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer {
        if let temporary = try? Directory(path: "/tmp") {
            var removal = TreeRemoval(in: temporary)
            try? removal.remove(String(path.dropFirst("/tmp/".count)))
        }
    }
    return try body(Directory(path: path))
}
