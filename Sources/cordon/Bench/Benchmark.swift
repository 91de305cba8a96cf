import CordonAPI
import CordonClient
import NIOCore

/// What `cordon bench` does and times.
struct Benchmark: Sendable {
    enum Measure: CaseIterable {
        case creation, cycle, exec, echo, throughput, rate
    }

    /// An answer that isn't what was asked for.
    struct Wrong: Error, CustomStringConvertible {
        let description: String
    }

    let client: CordonClient
    let count: Int
    let mebibytes: Int

    /// What is done before it is timed.
    private static let warmUps = 5
    private static let clients = 16
    private static let rounds = 3

    /// One figure for each thing that is measured together.
    func figures(of measure: Measure) async throws -> [Figure] {
        switch measure {
        case .creation: try await creation()
        case .cycle: [try await cycle()]
        case .exec: [try await exec()]
        case .echo: [try await echo()]
        case .throughput: [try await throughput()]
        case .rate: [try await rate()]
        }
    }

    private func creation() async throws -> [Figure] {
        let times = try await client.withConnection { connection in
            var times: [Double] = []
            for turn in 0..<Self.warmUps + count {
                let start = ContinuousClock.now
                let sandbox = try await connection.create(CreateSandboxRequest())
                if turn >= Self.warmUps { times.append(Self.milliseconds(since: start)) }
                _ = try await connection.terminate(sandbox.id)
                try await Task.sleep(for: .milliseconds(20))
            }
            return times
        }
        return [
            Figure("Create a sandbox", times, unit: .milliseconds, objectives: .init(median: 3, p99: 15))
        ]
    }

    private func cycle() async throws -> Figure {
        let times = try await client.withConnection { connection in
            var times: [Double] = []
            for turn in 0..<Self.warmUps + count {
                let start = ContinuousClock.now
                let sandbox = try await connection.create(CreateSandboxRequest())
                let completed = try await connection.run(["echo", "x"], in: sandbox.id)
                guard completed.stdout == "x\n" else { throw Wrong(description: "the output of `echo x` isn't x") }
                _ = try await connection.terminate(sandbox.id)
                if turn >= Self.warmUps { times.append(Self.milliseconds(since: start)) }
                try await Task.sleep(for: .milliseconds(20))
            }
            return times
        }
        return Figure(
            "A new sandbox, the output of `echo x`, and gone", times, unit: .milliseconds,
            objectives: .init(median: 6))
    }

    private func exec() async throws -> Figure {
        let times = try await withSandbox { id in
            try await client.withConnection { connection in
                var times: [Double] = []
                for turn in 0..<Self.warmUps + count {
                    let start = ContinuousClock.now
                    let completed = try await connection.run(["true"], in: id)
                    if turn >= Self.warmUps { times.append(Self.milliseconds(since: start)) }
                    guard completed.result.exitCode == 0 else { throw Wrong(description: "`true` failed") }
                    try await Task.sleep(for: .milliseconds(10))
                }
                return times
            }
        }
        return Figure("`true` in a running sandbox", times, unit: .milliseconds, objectives: .init(median: 2))
    }

    /// A key typed into a terminal, until it is shown.
    private func echo() async throws -> Figure {
        let times = try await withSandbox { id in
            var request = StartExecRequest(argv: ["cat"])
            request.pty = TerminalRequest()
            let exec = try await client.start(request, in: id)
            let (keys, typist) = AsyncStream<[UInt8]>.makeStream()
            let (shown, screen) = AsyncStream<Int>.makeStream()
            let attached = AttachedExec(client, exec: exec.id, in: id)
            async let result = attached.run(stdin: keys) { output in
                guard case .bytes(_, let bytes) = output else { throw Wrong(description: "a key's echo is gone") }
                screen.yield(bytes.readableBytes)
            }
            var times: [Double] = []
            var eyes = shown.makeAsyncIterator()
            for turn in 0..<Self.warmUps + count {
                let start = ContinuousClock.now
                typist.yield([UInt8(ascii: "x")])
                guard await eyes.next() == 1 else { throw Wrong(description: "the echo isn't what was typed") }
                if turn >= Self.warmUps { times.append(Self.milliseconds(since: start)) }
                try await Task.sleep(for: .milliseconds(10))
            }
            try await client.signal("KILL", to: exec.id, in: id)
            typist.finish()
            _ = try await result
            return times
        }
        return Figure("A key's echo in a terminal", times, unit: .milliseconds, objectives: .init(median: 0.5))
    }

    private func throughput() async throws -> Figure {
        let bytes = mebibytes << 20
        let rates = try await withSandbox { id in
            var rates: [Double] = []
            for _ in 0..<Self.rounds {
                let start = ContinuousClock.now
                let exec = try await client.start(
                    StartExecRequest(argv: ["head", "-c", "\(bytes)", "/dev/zero"]), in: id)
                let counter = ByteCounter()
                _ = try await AttachedExec(client, exec: exec.id, in: id).run(stdin: AsyncStream<[UInt8]>?.none) {
                    guard case .bytes(_, let piece) = $0 else { throw Wrong(description: "output is gone") }
                    counter.add(piece.readableBytes)
                }
                guard counter.total == bytes else {
                    throw Wrong(description: "\(counter.total) of \(bytes) bytes came")
                }
                rates.append(Double(bytes) / Self.milliseconds(since: start) / 1e6)
            }
            return rates
        }
        return Figure("stdout of one exec", rates, unit: .gigabytesPerSecond, objectives: .init(median: 1))
    }

    private func rate() async throws -> Figure {
        let each = max(1, min(count, 320) / Self.clients)
        var rates: [Double] = []
        for _ in 0..<Self.rounds {
            let start = ContinuousClock.now
            let made = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<Self.clients {
                    group.addTask {
                        try await client.withConnection { connection in
                            var made: [String] = []
                            for _ in 0..<each { made.append(try await connection.create(CreateSandboxRequest()).id) }
                            return made
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            rates.append(Double(made.count) * 1000 / Self.milliseconds(since: start))
            for id in made { _ = try await client.terminate(id) }
        }
        return Figure(
            "Sandboxes created, \(Self.clients) clients at a time", rates, unit: .perSecond,
            objectives: .init(median: 300))
    }

    /// A sandbox for `body`, removed however it ends.
    private func withSandbox<Value>(_ body: (String) async throws -> Value) async throws -> Value {
        let sandbox = try await client.create(CreateSandboxRequest())
        do {
            let value = try await body(sandbox.id)
            _ = try await client.terminate(sandbox.id)
            return value
        } catch {
            _ = try? await client.terminate(sandbox.id)
            throw error
        }
    }

    private static func milliseconds(since start: ContinuousClock.Instant) -> Double {
        (ContinuousClock.now - start) / .milliseconds(1)
    }
}
