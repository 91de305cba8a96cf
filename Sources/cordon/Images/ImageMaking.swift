import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

/// `cordon image pull`.
struct ImagePull: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull", abstract: "Fetches an image from its registry, and prints its id.",
        discussion: "How far it is goes to stderr. Broken off, it goes on where it was when it is asked for again.")

    @OptionGroup var service: ServiceOptions
    @Flag(name: [.short, .long], help: "Nothing on stderr.") var quiet = false
    @Flag(help: "Print the image as JSON.") var json = false
    @Argument(help: "Such as debian:12 or registry.example:5000/team/app:1.0.") var reference: String

    func run() async throws {
        let client = try service.client()
        let printer = ImagePrinter(isQuiet: quiet)
        let image = try await reporting {
            try await client.pullImage(PullImageRequest(reference: reference)) { printer.show($0) }
        }
        if json { try printJSON(image) } else { print(image.id) }
    }
}

/// `cordon image import`.
struct ImageImport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Takes an archive of an OCI layout or of docker save, and prints ids.")

    @OptionGroup var service: ServiceOptions
    @Option(help: ArgumentHelp("A name in place of the archive's own; may be repeated.", valueName: "name"))
    var name: [String] = []
    @Flag(help: "Print the images as JSON, one on a line.") var json = false
    @Argument(help: "The archive, a tar; - for stdin.", completion: .file()) var archive: String

    func run() async throws {
        let client = try service.client()
        let images = try await reporting {
            let source = archive == "-" ? Archive(FileHandle.standardInput) : try Archive(path: archive)
            return try await client.importImages(source, names: name)
        }
        for image in images { if json { try printJSON(image) } else { print(image.id) } }
    }
}

/// Tells on stderr how far an image is.
struct ImagePrinter {
    let isQuiet: Bool

    func show(_ event: ImageProgress) {
        guard !isQuiet, let line = Self.line(event) else { return }
        FileHandle.standardError.write(Data(line.utf8))
    }

    /// nil for events that are shown otherwise, or not at all.
    private static func line(_ event: ImageProgress) -> String? {
        switch event.event {
        case "resolved":
            "\(event.digest ?? ""): \(event.layers ?? 0) layers, \(mebibytes(event.totalBytes ?? 0))\n"
        case "layer":
            "\((event.digest ?? "").dropFirst(7).prefix(12)): \(event.state ?? "") "
                + "\(mebibytes(event.bytes ?? 0)) of \(mebibytes(event.totalBytes ?? 0))\n"
        case "step":
            "[\(event.step ?? 0)/\(event.steps ?? 0)] \(event.text ?? "")\(event.cached == true ? " (cached)" : "")\n"
        case "log":
            event.text
                ?? event.textBase64.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
        default: nil
        }
    }

    private static func mebibytes(_ bytes: UInt64) -> String {
        let tenths = (Double(bytes) / 104_857.6).rounded() / 10
        return "\(tenths) MiB"
    }
}
