import Foundation
import ModalProtocol
import SandboxModel

/// Which of the protocol's two families of calls a volume is spoken to with: the one that the first client asked for, or
/// the first. Kept in a file that is replaced with every change; of volumes that are gone nothing is asked again.
actor VolumeFamilies {
    private static let mostVolumes = 100_000

    private let path: String
    /// Volumes of the second family.
    private var second: Set<String>
    private var settled: Set<String>

    private struct Document: Codable {
        var settled: Set<String>
        var second: Set<String>
    }

    init(path: String) throws {
        self.path = path
        guard let data = FileManager.default.contents(atPath: path) else {
            (second, settled) = ([], [])
            return
        }
        let document = try JSONDecoder().decode(Document.self, from: data)
        (second, settled) = (document.second, document.settled)
    }

    func family(of id: VolumeID) -> ModalVolumeFsVersion { second.contains(id.text) ? .v2 : .v1 }

    /// Notes what a client asks for, where it is the first that does.
    func settle(_ id: VolumeID, on family: ModalVolumeFsVersion) throws {
        guard family != .unspecified, !settled.contains(id.text), settled.count < Self.mostVolumes else { return }
        var document = Document(settled: settled, second: second)
        document.settled.insert(id.text)
        if family == .v2 { document.second.insert(id.text) }
        try JSONEncoder().encode(document).write(to: URL(fileURLWithPath: path), options: .atomic)
        (second, settled) = (document.second, document.settled)
    }
}
