import ConnectFront
import Foundation
import SandboxModel
import Testing

/// The proxy between bare sockets and a server on the host: what is bounded, and what is given back.
@Suite("The connect proxy", .timeLimit(.minutes(2)))
struct ProxyTests {
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    private static let get = "GET / HTTP/1.1\r\n\(LoopbackSandbox.fields)\r\n"
    private static let events = "HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n"

    @Test("a head, a body or an answer that doesn't come has its time")
    func timeouts() async throws {
        var options = ConnectFrontOptions()
        options.clientTimeout = .milliseconds(300)
        options.answerTimeout = .milliseconds(600)
        let silent = try await LoopbackSandbox(answer: nil)
        try await withProxy(options, to: silent) { port in
            let idle = try Wire(port)
            #expect(await idle.receive() == "")
            let head = try Wire(port)
            head.send("GET / HT")
            #expect(await head.receive().hasPrefix("HTTP/1.1 408 "))
            let started = try Wire(port)
            started.send("GET / HTTP/1.1\r\nHost: x\r\n")
            #expect(await started.receive().hasPrefix("HTTP/1.1 408 "))
            let body = try Wire(port)
            body.send("POST / HTTP/1.1\r\n\(LoopbackSandbox.fields)Content-Length: 5\r\n\r\nab")
            #expect(await body.receive().hasPrefix("HTTP/1.1 408 "))
            let answer = try Wire(port)
            answer.send(Self.get)
            #expect(await answer.receive(until: "}").hasPrefix("HTTP/1.1 504 "))
            #expect(try await eventually { silent.state.withLock { $0.leases == 0 && $0.open == 0 } })
        }
    }

    @Test("a client that leaves while nothing happens takes everything along")
    func leaving() async throws {
        for answer in [nil, Self.events] {
            let sandbox = try await LoopbackSandbox(answer: answer)
            try await withProxy(to: sandbox) { port in
                do {
                    let client = try Wire(port)
                    client.send(Self.get)
                    if answer != nil { _ = await client.receive(until: "data: 1") }
                    #expect(try await eventually { sandbox.state.withLock { $0.leases == 1 && $0.open == 1 } })
                    withExtendedLifetime(client) {}
                }
                #expect(try await eventually { sandbox.state.withLock { $0.leases == 0 && $0.open == 0 } })
                #expect(try await eventually { sandbox.state.withLock { $0.answered.count == 1 } })
                #expect(sandbox.state.withLock { !($0.answered.first?.isWhole ?? true) })
            }
        }
    }

    @Test("requests are bounded in all and for each sandbox, and a place is free again after its request")
    func bounds() async throws {
        var options = ConnectFrontOptions()
        options.maximumRequestsOfSandbox = 2
        options.maximumConnections = 4
        let sandbox = try await LoopbackSandbox(answer: Self.events)
        try await withProxy(options, to: sandbox) { port in
            do {
                let held = try [Wire(port), Wire(port)]
                for one in held {
                    one.send(Self.get)
                    _ = await one.receive(until: "data: 1")
                }
                let third = try Wire(port)
                third.send(Self.get)
                #expect(await third.receive(until: "}").hasPrefix("HTTP/1.1 503 "))
                let fourth = try Wire(port)
                fourth.send("x")
                // Beyond the bound a connection is closed without a word.
                #expect(try await eventually { (try? Wire(port)) != nil })
                let fifth = try Wire(port)
                #expect(await fifth.receive() == "")
                withExtendedLifetime((held, third, fourth)) {}
            }
            #expect(try await eventually { sandbox.state.withLock { $0.leases == 0 } })
            let again = try Wire(port)
            again.send(Self.get)
            #expect(await again.receive(until: "data: 1").hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test("an ended sandbox is gone")
    func ended() async throws {
        let sandbox = try await LoopbackSandbox(answer: Self.ok)
        sandbox.state.withLock { $0.ended = true }
        try await withProxy(to: sandbox) { port in
            let client = try Wire(port)
            client.send(Self.get)
            #expect(await client.receive(until: "}").hasPrefix("HTTP/1.1 410 "))
            #expect(try await eventually { sandbox.state.withLock { $0.leases == 0 } })
        }
    }

    @Test("requests that come at once are answered one after the other, in order")
    func pipelining() async throws {
        let sandbox = try await LoopbackSandbox(answer: Self.ok)
        try await withProxy(to: sandbox) { port in
            let client = try Wire(port)
            client.send(String(repeating: Self.get, count: 20) + "GET /bad HTTP/1.1\r\n\r\n")
            let answers = await client.receive()
            #expect(answers.components(separatedBy: "HTTP/1.1 200 OK").count == 21)
            #expect(answers.components(separatedBy: "HTTP/1.1 400 ").count == 2)
            #expect(sandbox.state.withLock { $0.answered.count } == 20)
        }
    }

    @Test("when the service stops, idle connections end at once and others after a moment")
    func shutdown() async throws {
        var options = ConnectFrontOptions()
        options.shutdownGrace = .milliseconds(200)
        let sandbox = try await LoopbackSandbox(answer: Self.events)
        let (clients, continuation) = AsyncStream<Wire>.makeStream()
        try await withProxy(options, to: sandbox) { port in
            let idle = try Wire(port)
            let busy = try Wire(port)
            busy.send(Self.get)
            _ = await busy.receive(until: "data: 1")
            continuation.yield(idle)
            continuation.yield(busy)
            continuation.finish()
        }
        for await client in clients { _ = await client.receive() }
        #expect(try await eventually { sandbox.state.withLock { $0.leases == 0 } })
    }
}
