import Crypto
import Foundation
import SandboxModel
import StoredFiles

/// Archives of python-build-standalone, which `add_python` copies from: files that the operator has put into a directory
/// under the names by which clients ask for them.
struct StandalonePythons: Sendable {
    private static let prefix = "python-build-standalone."
    private static let ending = ".tar.gz"

    /// nil where none is configured.
    let directory: String?

    /// The mount of a name; nil for names of other mounts. Throws `notFound` when the archive isn't there, and says what to do.
    func mount(named name: String) throws(CordonError) -> TreeID? {
        guard name.hasPrefix(Self.prefix) else { return nil }
        guard let directory else {
            throw CordonError(
                .notFound,
                "add_python needs \(name)\(Self.ending), an install_only archive of python-build-standalone: "
                    + "put it into a directory, and name that with the option modal_python_directory",
                field: "deployment_name", value: name)
        }
        guard FileManager.default.isReadableFile(atPath: "\(directory)/\(name)\(Self.ending)"), !name.contains("/")
        else {
            throw CordonError(
                .notFound,
                "add_python needs \(name)\(Self.ending), an install_only archive of python-build-standalone, in the "
                    + "directory of the option modal_python_directory, where the service can read it",
                field: "deployment_name", value: name)
        }
        return Self.id(name)
    }

    private static func id(_ name: String) -> TreeID { TreeID(digest: Array(SHA256.hash(data: Array(name.utf8)))) }

    /// The archive behind a mount's id; nil for other mounts.
    func archive(ofMount text: String) -> StoredFile? {
        guard let directory, let id = TreeID(text),
            let names = try? FileManager.default.contentsOfDirectory(atPath: directory)
        else { return nil }
        for file in names where file.hasPrefix(Self.prefix) && file.hasSuffix(Self.ending) {
            guard Self.id(String(file.dropLast(Self.ending.count))) == id else { continue }
            return try? StoredFile("\(directory)/\(file)", O_RDONLY)
        }
        return nil
    }
}
