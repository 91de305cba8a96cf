import ArgumentParser
import CordonAPI
import CordonClient
import Foundation
import NIOCore

struct Copy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cp", abstract: "Copies files and directories into a sandbox, or out of it.",
        discussion: """
            One of both is in a sandbox: SANDBOX:/path. A copy goes into a directory that is there, as with cp; \
            what ends in /. is a directory's content alone. - is our stdin or stdout: a file's content, or, for a \
            directory and with --archive, a tar archive. What comes out of a sandbox is yours: owners, set-id bits, \
            devices and links that lead elsewhere do no harm. Ends with 125 when it doesn't work.
            """)

    @OptionGroup var service: ServiceOptions
    @Option(help: "The user inside; root without.") var user: String?
    @Flag(help: "What comes on stdin is a tar archive to unpack in a directory.") var archive = false
    @Argument(help: "What to copy.") var source: CopyEnd
    @Argument(help: "Where to.") var destination: CopyEnd

    func validate() throws {
        switch (source, destination) {
        case (.sandbox, .sandbox): throw ValidationError("one of both is here; copy twice")
        case (.sandbox, _), (_, .sandbox): break
        default: throw ValidationError("one of both is in a sandbox: SANDBOX:/path")
        }
        if archive {
            guard case .stream = source else { throw ValidationError("--archive is for a tar archive on stdin: -") }
        }
    }

    func run() async throws {
        let client = try service.client()
        try await reporting {
            let progress = CopyProgress()
            defer { progress.clear() }
            switch (source, destination) {
            case (.sandbox(let sandbox, let path), let here):
                let files = client.files(of: try await client.identify(sandbox), as: user)
                try await Download(files: files, progress: progress).copy(path, to: here)
            case (let here, .sandbox(let sandbox, let path)):
                let files = client.files(of: try await client.identify(sandbox), as: user)
                try await Upload(files: files, progress: progress).copy(here, to: path, isArchive: archive)
            default: break
            }
        }
    }
}

/// Tells of what a sandbox's archive held and this host doesn't get, or the other way round.
func sayLeftOut(_ paths: [String], _ count: UInt64) {
    guard count > 0 else { return }
    let shown = paths.prefix(3).map(shownName)
    say("left out \(count): \(shown.joined(separator: ", "))\(count > 3 ? ", …" : "")")
}

/// A name that a stranger chose: a terminal isn't to obey it.
func shownName(_ name: String) -> String {
    String(
        name.unicodeScalars.map { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) ? "?" : Character($0) })
}
