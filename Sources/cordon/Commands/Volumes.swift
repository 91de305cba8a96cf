import ArgumentParser
import CordonAPI
import CordonClient

/// `cordon volume`: trees of files that outlive sandboxes. Their files are in `VolumeFiles.swift`.
struct VolumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume", abstract: "Keeps files that sandboxes share.",
        discussion: """
            A sandbox sees a volume as it was when the sandbox was created, or when it last reloaded its volumes, and \
            what it has written itself. What it writes is published every few seconds and at its end.
            """,
        subcommands: [
            Create.self, List.self, Put.self, Get.self, CopyWithin.self, RemoveFile.self, Rename.self, Delete.self,
            Commit.self, Reload.self,
        ])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Creates a volume and prints its id.")

        @OptionGroup var service: ServiceOptions
        @Option(
            help: ArgumentHelp("What becomes of it when one has the name: fail or keep.", valueName: "what"),
            completion: .list(["fail", "keep"]))
        var ifExists: String?
        @Flag(help: "Print the volume as JSON.") var json = false
        @Argument(help: "The volume's name.") var name: String

        func run() async throws {
            let client = try service.client()
            let request = CreateVolumeRequest(name: name, ifExists: ifExists)
            let made = try await reporting { try await client.createVolume(request) }
            if json { try printJSON(made) } else { print(made.id) }
        }
    }

    struct Rename: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Gives a volume another name.")

        @OptionGroup var service: ServiceOptions
        @Argument(help: "The volume's name or id.") var volume: String
        @Argument(help: "Its new name.") var name: String

        func run() async throws {
            let client = try service.client()
            _ = try await reporting { try await client.renameVolume(volume, to: name) }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deletes volumes with all that is in them.",
            discussion: "One that a sandbox has is refused. Ends with 1 when one couldn't be deleted.")

        @OptionGroup var service: ServiceOptions
        @Argument(help: "The volumes' names or ids.") var volumes: [String]

        func run() async throws {
            let client = try service.client()
            var failed = false
            for volume in volumes {
                do {
                    try await client.deleteVolume(volume)
                    print(volume)
                } catch {
                    say("\(volume): \(error)")
                    failed = true
                }
            }
            if failed { throw ExitCode.failure }
        }
    }

    struct Commit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Publishes what a sandbox has written to its volumes, and prints their versions.")

        @OptionGroup var service: ServiceOptions
        @Flag(help: "As JSON.") var json = false
        @Argument(help: "The sandbox.") var sandbox: SandboxReference

        func run() async throws {
            let client = try service.client()
            let told = try await reporting {
                try await client.commitVolumes(of: try await client.identify(sandbox))
            }
            if json { return try printJSON(told) }
            for commit in told.commits {
                print("\(commit.path)  \(commit.volume)  \(commit.version)\(commit.changed ? "" : "  unchanged")")
            }
        }
    }

    struct Reload: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a sandbox what its volumes have become.",
            discussion: "What it has written is published first. Refused while a process has something open in one.")

        @OptionGroup var service: ServiceOptions
        @Argument(help: "The sandbox.") var sandbox: SandboxReference

        func run() async throws {
            let client = try service.client()
            try await reporting { try await client.reloadVolumes(of: try await client.identify(sandbox)) }
        }
    }
}
