import Logging
import RESTFront
import SandboxModel
import ServiceLifecycle
import Testing

@Suite("Shutdown of the REST front")
struct ShutdownTests {
    @Test("graceful shutdown ends waits with 503, breaks followed streams off unfinished, and returns")
    func endsWaits() async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let service = FakeService()
        let front = RESTFront(
            service: service, secrets: service, verifier: FakeVerifier(), bodyHash: { $0 }, logger: logger)
        let (ports, source) = AsyncStream<Int>.makeStream()
        let group = ServiceGroup(services: [try front.server(onListening: { source.yield($0) })], logger: logger)
        async let running: Void = group.run()
        var iterator = ports.makeAsyncIterator()
        let test = TestFront(port: try unwrap(await iterator.next()), service: service)
        let (id, path) = try await test.makeSandbox()
        let stream = FakeStream(patternOf: 10)
        let exec = try test.makeExec(id, stdout: stream)
        let following = try test.connect()
        try await following.send(TestFront.head("GET", exec + "/stdout?follow=true"))
        _ = try await following.receiveHead()
        #expect(try await following.chunk().bytes.count == 10)
        async let waiting = test.ask("GET", path + "/wait")
        #expect(try await eventually { service.update { $0.waits } == 1 })
        let idle = try test.connect()
        _ = try await TestFront.ask(idle, "GET", "/healthz")
        await group.triggerGracefulShutdown()
        #expect(try await waiting.status == 503)
        // Cut off, not ended: the client knows that there is more and asks the next service.
        await #expect(throws: WireError.self) { try await following.chunk() }
        #expect(try await idle.isClosedByPeer())
        try await running
        #expect(stream.state.withLock { $0.openReaders } == 0)
    }
}
