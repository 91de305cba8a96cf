import ArgumentParser
import CordonAPI
import CordonClient

/// A volume's files, without a sandbox.
extension VolumeCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "Lists volumes, newest first, or a directory of one.")

        @OptionGroup var service: ServiceOptions
        @Flag(name: [.short, .long], help: "Only names.") var quiet = false
        @Flag(help: "As JSON, one on a line.") var json = false
        @Argument(help: "A directory: VOLUME:/path.") var directory: VolumeFile?

        func run() async throws {
            let client = try service.client()
            try await reporting {
                if let directory { try await list(directory, client) } else { try await listVolumes(client) }
            }
        }

        private func listVolumes(_ client: CordonClient) async throws {
            var cursor: String?
            repeat {
                let page = try await client.volumes(cursor: cursor)
                for volume in page.volumes {
                    if json {
                        try printJSON(volume)
                    } else {
                        print(quiet ? volume.name : "\(volume.name)  \(volume.id)")
                    }
                }
                cursor = page.nextCursor
            } while cursor != nil
        }

        private func list(_ directory: VolumeFile, _ client: CordonClient) async throws {
            let files = client.files(ofVolume: directory.volume)
            var cursor: String?
            repeat {
                let page = try await files.list(directory.path, cursor: cursor)
                for entry in page.entries {
                    if json {
                        try printJSON(entry)
                    } else {
                        let name = shownName(entry.name ?? "?")
                        print(quiet ? name : "\(entry.mode)  \(entry.sizeBytes)  \(name)")
                    }
                }
                cursor = page.nextCursor
            } while cursor != nil
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Copies a file or a directory into a volume; - is our stdin.",
            discussion: "All of it is published at once. A copy goes into a directory that is there, as with cp.")

        @OptionGroup var service: ServiceOptions
        @Flag(help: "What comes on stdin is a tar archive to unpack in a directory.") var archive = false
        @Argument(help: "What to copy.", completion: .file()) var source: String
        @Argument(help: "Where to: VOLUME:/path.") var destination: VolumeFile

        func run() async throws {
            guard !archive || source == "-" else { throw ValidationError("--archive is for a tar archive on stdin: -") }
            let client = try service.client()
            try await reporting {
                let progress = CopyProgress()
                defer { progress.clear() }
                try await Upload(files: client.files(ofVolume: destination.volume), progress: progress).copy(
                    source == "-" ? .stream : .local(source), to: destination.path, isArchive: archive)
            }
        }
    }

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Copies a file or a directory out of a volume; - is our stdout, and gets a tar archive of a directory."
        )

        @OptionGroup var service: ServiceOptions
        @Argument(help: "What to copy: VOLUME:/path.") var source: VolumeFile
        @Argument(help: "Where to.", completion: .file()) var destination: String

        func run() async throws {
            let client = try service.client()
            try await reporting {
                let progress = CopyProgress()
                defer { progress.clear() }
                try await Download(files: client.files(ofVolume: source.volume), progress: progress).copy(
                    source.path, to: destination == "-" ? .stream : .local(destination))
            }
        }
    }

    struct CopyWithin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cp", abstract: "Copies a file within a volume; one that is there is replaced.")

        @OptionGroup var service: ServiceOptions
        @Argument(help: "The file: VOLUME:/path.") var source: VolumeFile
        @Argument(help: "The copy's path in the same volume.") var destination: String

        func run() async throws {
            let client = try service.client()
            try await reporting { try await client.copyFile(source.path, to: destination, inVolume: source.volume) }
        }
    }

    struct RemoveFile: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Removes a file or an empty directory of a volume.")

        @OptionGroup var service: ServiceOptions
        @Flag(name: [.short, .long], help: "A directory with all that is in it.") var recursive = false
        @Argument(help: "What to remove: VOLUME:/path.") var file: VolumeFile

        func run() async throws {
            let client = try service.client()
            try await reporting {
                try await client.files(ofVolume: file.volume).remove(file.path, recursive: recursive)
            }
        }
    }
}
