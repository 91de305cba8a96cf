import FrontConnections
import ModalFront
import SandboxModel
import Testing

@Suite struct HeldBytesTests {
    @Test("what is held is taken from the room for all, more and less as it changes, and given back at the end")
    func resizing() throws {
        let room = Places(100)
        do {
            let held = HeldBytes(in: room)
            try held.resize(to: 60)
            #expect(room.count == 60)
            try held.resize(to: 20)
            #expect(room.count == 20)
            let other = HeldBytes(in: room)
            try other.resize(to: 80)
            #expect(room.count == 100)
            withExtendedLifetime((held, other)) {}
        }
        #expect(room.count == 0)
    }

    @Test("more than there is room for is refused, and what was held stays")
    func fullRoom() throws {
        let room = Places(100)
        let (held, other) = (HeldBytes(in: room), HeldBytes(in: room))
        try held.resize(to: 60)
        #expect(throws: CordonError.self) { try other.resize(to: 41) }
        #expect(room.count == 60)
        try other.resize(to: 40)
        withExtendedLifetime((held, other)) {}
    }
}
