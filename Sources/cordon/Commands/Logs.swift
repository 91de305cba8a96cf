import ArgumentParser
import CordonAPI
import CordonClient
import Foundation

struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints what a command wrote, its stderr to ours.",
        discussion: "Works as long as the output is kept, also when the sandbox is over (by its id then).")

    @OptionGroup var service: ServiceOptions
    @Option(help: "The exec's id; the sandbox's main command without.") var exec = CordonClient.mainCommand
    @Flag(name: [.short, .long], help: "Go on until the command is over.") var follow = false
    @Flag(name: [.short, .long], help: "The time of writing before each line.") var timestamps = false
    @Option(
        help: ArgumentHelp(
            "Only what was written since then: a time (RFC 3339), or how long ago, such as 90s, 10m, 2h or 1d.",
            valueName: "time"))
    var since: String?
    @Option(help: ArgumentHelp("Only the last lines of what is there already.", valueName: "lines")) var tail: Int?
    @Flag(help: "As JSON, one stretch of output on a line.") var json = false
    @Argument(help: "The sandbox.") var sandbox: SandboxReference

    func validate() throws {
        if let since, LogStart.parse(since, now: .now) == nil {
            throw ValidationError("--since \(since): a time such as 2026-01-31T12:00:00Z, or 90s, 10m, 2h, 1d")
        }
        if let tail, tail < 0 { throw ValidationError("--tail \(tail): 0 or more") }
    }

    func run() async throws {
        let client = try service.client()
        let start = since.flatMap { LogStart.parse($0, now: .now) }
        try await reporting {
            let id = try await client.identify(sandbox)
            var reader = LogReader(client, exec: exec, in: id, since: start)
            var printer = LogPrinter(form: json ? .json : timestamps ? .timed : .plain)
            if let tail {
                var last = LogTail(lines: tail)
                try await reader.readAvailable { last.append($0) }
                for piece in last.pieces { try await printer.show(piece) }
            } else {
                try await reader.readAvailable { try await printer.show($0) }
            }
            if follow { try await reader.follow { try await printer.show($0) } }
        }
    }
}

/// What `--since` may say.
enum LogStart {
    /// The time that `text` means; nil when it means none.
    static func parse(_ text: String, now: Date) -> APITime? {
        if let time = APITime(text) { return time }
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last, let factor = units[unit], let count = Double(text.dropLast()), count >= 0,
            count * factor < 1e9
        else { return nil }
        let time = now.addingTimeInterval(-count * factor)
        return APITime(Date.ISO8601FormatStyle(includingFractionalSeconds: true).format(time))
    }
}
