import ArgumentParser
import CordonClient

struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures the service on this machine.",
        discussion: """
            Makes sandboxes, runs commands and streams output as any client does, and removes what it made. Ends with a \
            table of what should be reached on a machine with two cores, and what was. Other work on the machine counts \
            too. Fails when an operation fails or a byte is missing.
            """)

    @OptionGroup var service: ServiceOptions
    @Option(help: "How often each thing is done.") var count = 200
    @Option(help: "How much output is streamed, in MiB.") var mebibytes = 1024
    @Flag(help: "Print the figures as JSON, one on a line.") var json = false

    func validate() throws {
        guard (1...100_000).contains(count) else { throw ValidationError("--count takes 1 to 100000") }
        guard (1...65_536).contains(mebibytes) else { throw ValidationError("--mebibytes takes 1 to 65536") }
    }

    func run() async throws {
        let benchmark = Benchmark(client: try service.client(), count: count, mebibytes: mebibytes)
        var figures: [Figure] = []
        for measure in Benchmark.Measure.allCases {
            for figure in try await reporting({ try await benchmark.figures(of: measure) }) {
                figures.append(figure)
                if json { try printJSON(figure) } else { print(figure.line) }
            }
        }
        guard !json else { return }
        print("\nObjectives, on two cores with nothing else to do")
        for figure in figures { for verdict in figure.verdicts { print(verdict) } }
    }
}
