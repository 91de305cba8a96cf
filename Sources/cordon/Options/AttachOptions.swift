import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

/// How our terminal and streams meet the command's.
struct AttachOptions: ParsableArguments {
    @Flag(name: [.short, .long], help: "Pass our stdin on.") var interactive = false
    @Flag(name: [.customShort("t"), .customLong("tty")], help: "Give the command a terminal.") var terminal = false
    @OptionGroup var detaching: DetachOptions

    func validate() throws {
        guard interactive, terminal, !LocalTerminal.isTerminal(0) else { return }
        throw ValidationError("-t with -i needs a terminal on stdin; for a pipe or a file, leave -t away")
    }

    /// The terminal to ask for: of the size of ours, and of its kind.
    var request: TerminalRequest? {
        guard terminal else { return nil }
        let size = LocalTerminal.size()
        let kind = ProcessInfo.processInfo.environment["TERM"].flatMap { $0.isEmpty ? nil : $0 }
        return TerminalRequest(rows: size?.rows, cols: size?.columns, term: kind)
    }

    func session(_ client: CordonClient, exec: String, in sandbox: String) -> LocalSession {
        LocalSession(
            client: client, exec: exec, sandbox: sandbox, isInteractive: interactive, hasTerminal: terminal,
            detachKeys: detaching.keys)
    }
}

/// Which keys leave a command running.
struct DetachOptions: ParsableArguments {
    @Option(
        name: .customLong("detach-keys"),
        help: ArgumentHelp(
            "The keys that leave the command running, on a terminal (ctrl-p,ctrl-q); none when empty.",
            valueName: "keys"),
        transform: { text in
            guard let keys = DetachKeys(text) else {
                throw ValidationError("\(text): characters or ctrl-x, joined by commas, such as ctrl-p,ctrl-q")
            }
            return keys
        })
    var keys = DetachKeys.standard
}
