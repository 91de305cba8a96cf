import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

/// `cordon image build`.
struct ImageBuild: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build", abstract: "Builds an image from a Dockerfile, and prints its id.",
        discussion: """
            What its steps write goes to stderr. The directory is sent with tar, whole; what its .dockerignore names isn't \
            copied from. Steps whose result is there aren't run again.
            """)

    @OptionGroup var service: ServiceOptions
    @Option(name: [.short, .long], help: ArgumentHelp("PATH/Dockerfile unless said; - for stdin.", valueName: "path"))
    var file: String?
    @Option(name: [.short, .long], help: ArgumentHelp("A name for the image; may be repeated.", valueName: "name"))
    var tag: [String] = []
    @Option(help: ArgumentHelp("A value for an ARG; KEY alone takes ours; may be repeated.", valueName: "KEY=value"))
    var buildArg: [String] = []
    @Option(help: ArgumentHelp("The stage to build; the last unless said.", valueName: "stage")) var target: String?
    @Flag(help: "Run every step.") var noCache = false
    @Flag(help: "RUN has loopback alone.") var blockNetwork = false
    @Flag(name: [.short, .long], help: "Nothing on stderr.") var quiet = false
    @Flag(help: "Print the image as JSON.") var json = false
    @Argument(help: "The directory to copy from.", completion: .directory) var path: String = "."

    func run() async throws {
        let client = try service.client()
        var request = BuildImageRequest(dockerfile: try dockerfile())
        if !tag.isEmpty { request.tags = tag }
        if !buildArg.isEmpty { request.buildArgs = try variables(buildArg) }
        request.target = target
        request.noCache = noCache
        if blockNetwork { request.blockNetwork = true }
        let wanted = request
        let printer = ImagePrinter(isQuiet: quiet)
        let image = try await reporting {
            var request = wanted
            request.context = try await sendContext(client)
            return try await client.buildImage(request) { printer.show($0) }
        }
        if json { try printJSON(image) } else { print(image.id) }
    }

    private func dockerfile() throws -> String {
        let name = file ?? path + "/Dockerfile"
        let bytes =
            name == "-"
            ? try FileHandle.standardInput.readToEnd() ?? Data() : FileManager.default.contents(atPath: name)
        guard let bytes, let text = String(data: bytes, encoding: .utf8) else {
            throw ValidationError("\(name): no file of UTF-8 text that can be read")
        }
        return text
    }

    private func sendContext(_ client: CordonClient) async throws -> String {
        let tar = Process()
        tar.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        tar.arguments = ["tar", "-C", path, "-cf", "-", "."]
        let pipe = Pipe()
        tar.standardOutput = pipe
        tar.standardInput = FileHandle.nullDevice
        try tar.run()
        let id: String
        do { id = try await client.addBuildContext(Archive(pipe.fileHandleForReading)) } catch {
            tar.terminate()
            throw error
        }
        tar.waitUntilExit()
        // 1: a file changed as it was read.
        guard tar.terminationStatus <= 1 else {
            throw ClientError.unexpected("tar could not read \(path): status \(tar.terminationStatus)")
        }
        return id
    }
}
