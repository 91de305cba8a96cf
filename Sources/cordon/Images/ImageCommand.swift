import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

/// `cordon image`: what sandboxes are made from.
struct ImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Fetches, builds, lists and removes images.",
        subcommands: [
            ImagePull.self, ImageBuild.self, ImageImport.self, ImageList.self, ImageInspect.self, ImageRemove.self,
            ImageCollect.self,
        ])

    struct ImageList: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "ls", abstract: "Lists images, newest first.")

        @OptionGroup var service: ServiceOptions
        @Flag(name: [.short, .long], help: "Only ids.") var quiet = false
        @Flag(help: "As JSON, one image on a line.") var json = false

        func run() async throws {
            let client = try service.client()
            if !json, !quiet { print(Self.row("ID", "KIND", "MIB", "LAYERS", "CREATED", "NAMES")) }
            var cursor: String?
            repeat {
                let asked = cursor
                let page = try await reporting { try await client.images(after: asked) }
                for image in page.images { try show(image) }
                cursor = page.nextCursor
            } while cursor != nil
        }

        private func show(_ image: Image) throws {
            if json { return try printJSON(image) }
            if quiet { return print(image.id) }
            let names = image.names.isEmpty ? "-" : image.names.joined(separator: " ")
            print(
                Self.row(
                    image.id, image.kind, "\(image.sizeBytes >> 20)", "\(image.layers.count)", "\(image.createdAt)",
                    names))
        }

        private static func row(_ columns: String...) -> String {
            zip(columns, [25, 8, 7, 6, 27, 0])
                .map { $0.padding(toLength: max($1, $0.count), withPad: " ", startingAt: 0) }.joined(separator: "  ")
        }
    }

    struct ImageInspect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "inspect", abstract: "Prints all there is to know of an image, as JSON.")

        @OptionGroup var service: ServiceOptions
        @Flag(help: "On one line.") var json = false
        @Argument(help: "The image's id or name.") var image: String

        func run() async throws {
            let client = try service.client()
            try printJSON(try await reporting { try await client.image(image) }, forPeople: !json)
        }
    }

    struct ImageRemove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Removes names, and images with their last; or images by id.",
            discussion: "Sandboxes that were made from them go on. Ends with 1 when one couldn't be removed.")

        @OptionGroup var service: ServiceOptions
        @Argument(help: "The images' ids or names.") var images: [String]

        func run() async throws {
            let client = try service.client()
            var failed = false
            for image in images {
                do {
                    let left = try await client.removeImage(image)
                    print(left.map { "\(image) (\($0.id) stays)" } ?? image)
                } catch {
                    say("\(image): \(error)")
                    failed = true
                }
            }
            if failed { throw ExitCode.failure }
        }
    }

    struct ImageCollect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "collect", abstract: "Removes layers and downloads that nothing refers to.")

        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let client = try service.client()
            try printJSON(try await reporting { try await client.collectImages() }, forPeople: true)
        }
    }
}
