import CordonAPI
import CordonClient
import Foundation
import NIOCore

/// A command with this process's terminal, or its streams, at its ends.
struct LocalSession {
    let client: CordonClient
    let exec: String
    let sandbox: String
    /// Our stdin goes to the command; without, its stdin is at its end (or left alone, on a terminal).
    let isInteractive: Bool
    /// The command has a terminal of its own.
    let hasTerminal: Bool
    var detachKeys = DetachKeys.standard
    /// Reads what comes from now on alone.
    var fromNowOn = false
    /// Leaves the command's stdin as it is, whatever ours holds.
    var leavesStdin = false

    /// Streams until the command is over. Throws `Detached` when the detach keys are typed, `OutputClosed`
    /// when nobody reads what it writes. The terminal is as it was before, whatever happens.
    func run() async throws -> EndResult {
        let isRaw = isInteractive && hasTerminal && LocalTerminal.isTerminal(0)
        let signals = ReceivedSignals(
            [SIGINT, SIGTERM, SIGQUIT, SIGHUP] + (hasTerminal ? [SIGWINCH] : []) + (isRaw ? [SIGTSTP, SIGCONT] : []))
        let serving = Task { await serve(signals) }
        defer { LocalTerminal.shared.restore() }
        let result: Result<EndResult, any Error>
        do {
            if isRaw { try LocalTerminal.shared.enterRaw() }
            result = .success(try await attach(isRaw: isRaw))
        } catch { result = .failure(error) }
        LocalTerminal.shared.restore()
        // A signal that has come is passed on, also when it is why we leave.
        signals.stop()
        await serving.value
        return try result.get()
    }

    private func attach(isRaw: Bool) async throws -> EndResult {
        let takesStdin = isInteractive || !(hasTerminal || leavesStdin)
        let input = LocalInput(descriptor: isInteractive ? 0 : nil, detachKeys: isRaw ? detachKeys : nil)
        let attached = AttachedExec(client, exec: exec, in: sandbox, fromNowOn: fromNowOn)
        return try await attached.run(stdin: takesStdin ? input : nil) { output in
            switch output {
            case .bytes(let stream, let bytes): try await LocalOutput.write(bytes, to: stream)
            case .gap(let stream, let count): LocalOutput.tellGap(stream, count)
            }
        }
    }

    // MARK: Signals

    /// SIGINT, SIGTERM, SIGQUIT and SIGHUP go to the command. The third SIGINT or SIGTERM kills it, and the
    /// fourth ends us as the signal would have, whatever the service does.
    private func serve(_ signals: ReceivedSignals) async {
        var caller = client
        caller.patience = .seconds(5)
        let (orders, source) = AsyncStream<String>.makeStream()
        async let sent: Void = {
            for await order in orders { try? await caller.signal(order, to: exec, in: sandbox) }
        }()
        var interrupts = 0
        for await number in signals.numbers {
            switch number {
            case SIGWINCH: await resize()
            case SIGTSTP:
                // Our terminal is raw, so this came from elsewhere: stop as if it weren't.
                LocalTerminal.shared.restore()
                kill(getpid(), SIGSTOP)
            case SIGCONT:
                // Whoever stopped us, or went on meanwhile, has set the modes for itself.
                try? LocalTerminal.shared.enterRaw()
                await resize()
            case SIGINT, SIGTERM:
                interrupts += 1
                if interrupts > 3 {
                    LocalTerminal.shared.restore()
                    exit(128 + number)
                }
                source.yield(interrupts == 3 ? "KILL" : String(number))
            default: source.yield(String(number))
            }
        }
        source.finish()
        await sent
    }

    private func resize() async {
        guard let size = LocalTerminal.size() else { return }
        try? await client.resize(exec, in: sandbox, rows: size.rows, columns: size.columns)
    }

    /// Makes a program on the command's terminal draw its screen again: it is told a size that isn't so, and then ours.
    func redraw() async {
        guard let size = LocalTerminal.size() else { return }
        try? await client.resize(exec, in: sandbox, rows: size.rows + 1, columns: size.columns)
        await resize()
    }
}
