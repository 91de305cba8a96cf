import RESTFront
import Testing

@Suite("What a WebSocket connection may have under way")
struct OutboundCreditTests {
    private actor Order {
        var numbers: [Int] = []
        func add(_ number: Int) { numbers.append(number) }
    }

    @Test("who wants more than there is room for waits, in order, until enough has gone")
    func waits() async throws {
        let credit = OutboundCredit(limit: 100, room: OutboundRoom(limit: 1000))
        try await credit.take(60)
        let order = Order()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in [1, 2] {
                group.addTask {
                    try await credit.take(60)
                    await order.add(number)
                }
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(await order.numbers.isEmpty)
            credit.give(60)
            try await group.next()
            #expect(await order.numbers == [1])
            credit.give(60)
            try await group.next()
            #expect(await order.numbers == [1, 2])
        }
    }

    @Test("a first piece always goes, also a large one, and when all the others have taken the room")
    func firstPiece() async throws {
        let room = OutboundRoom(limit: 50)
        let (one, other) = (OutboundCredit(limit: 100, room: room), OutboundCredit(limit: 100, room: room))
        try await one.take(40)
        try await one.take(50)
        try await other.take(300)
        let more = Task { try await other.take(1) }
        try await Task.sleep(for: .milliseconds(50))
        other.give(300)
        try await more.value
        one.give(40)
        one.give(50)
        // All of the room is there again.
        #expect(room.take(50))
    }

    @Test("a wait ends with its caller, or with the connection")
    func ends() async throws {
        let credit = OutboundCredit(limit: 10, room: OutboundRoom(limit: 10))
        try await credit.take(10)
        let cancelled = Task { try await credit.take(5) }
        let left = Task { try await credit.take(5) }
        try await Task.sleep(for: .milliseconds(50))
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        credit.end()
        await #expect(throws: (any Error).self) { try await left.value }
        await #expect(throws: (any Error).self) { try await credit.take(1) }
    }
}
