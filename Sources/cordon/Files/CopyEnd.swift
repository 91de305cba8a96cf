import ArgumentParser
import CordonClient
import Foundation

/// One end of a copy: here, in a sandbox, or standard input or output.
enum CopyEnd: ExpressibleByArgument {
    case local(String)
    case sandbox(SandboxReference, String)
    case stream

    /// `-`, `SANDBOX:/path`, or a path here, which begins with `.` or `/` when there is a colon in it.
    init?(argument: String) {
        guard let colon = argument.firstIndex(of: ":"), !argument.hasPrefix("/"), !argument.hasPrefix(".") else {
            self = argument == "-" ? .stream : .local(argument)
            return
        }
        let path = String(argument[argument.index(after: colon)...])
        guard let sandbox = SandboxReference(String(argument[..<colon])), path.hasPrefix("/") else { return nil }
        self = .sandbox(sandbox, path)
    }

    static var defaultCompletionKind: CompletionKind { .file() }
}

/// Where a copy of `source` goes, when `target` is given: into a directory that is there, as cp(1) does it.
/// A source that ends in `/.` is the directory's content alone.
func copyTarget(_ source: String, _ target: String, isDirectory: Bool, isDirectoryThere: Bool) -> String {
    let isContent = isDirectory && (source == "." || source.hasSuffix("/."))
    guard isDirectoryThere || (!isDirectory && target.hasSuffix("/")), !isContent else { return target }
    let name = URL(fileURLWithPath: source).standardizedFileURL.lastPathComponent
    guard name != "/", !name.isEmpty else { return target }
    return (target.hasSuffix("/") ? target : target + "/") + name
}
