import ArgumentParser

@main
struct Cordon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cordon", abstract: "Runs commands in sandboxes.",
        discussion: """
            A sandbox is named by its id, by the name of a running one (of the app "default"), or by app/name. \
            `cordon config` shows which service and credentials hold, and why. \
            `cordon --generate-completion-script bash` (zsh, fish) prints what completes commands and names.
            """,
        subcommands: [
            Run.self, Create.self, ExecCommand.self, Attach.self, List.self, Inspect.self, Logs.self, Wait.self,
            Copy.self, Edit.self,
            Tunnels.self, ConnectTokenCommand.self, Tag.self, SetTimeout.self, Network.self, Events.self, Remove.self,
            SnapshotCommand.self, BranchCommand.self, MountCommand.self, UnmountCommand.self, ImageCommand.self,
            SecretCommand.self, VolumeCommand.self, CA.self, Config.self, ModalEnvironment.self, Bench.self,
        ])
}
