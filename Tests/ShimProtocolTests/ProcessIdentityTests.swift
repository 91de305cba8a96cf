import CLinux
import Glibc
import LinuxSystem
import ShimProtocol
import Testing

@Suite("One process for certain")
struct ProcessIdentityTests {
    @Test("a living process is found by its identity, also through its record")
    func living() throws {
        let identity = try ProcessIdentity.current(bootID: ProcessIdentity.bootID())
        let again = try ProcessIdentity(record: identity.record)
        #expect(again == identity)
        #expect(try again.isOpen)
    }

    @Test("a pid that is another process's by now, or of another boot, is nobody", arguments: [4, 12])
    func another(_ place: Int) throws {
        // pid 4 bytes, start time 8, boot id behind its length.
        var record = try ProcessIdentity.current(bootID: ProcessIdentity.bootID()).record
        record[place == 12 ? 16 : place] ^= 1
        #expect(try ProcessIdentity(record: record).isOpen == false)
    }

    @Test("a process that is gone is nobody")
    func gone() throws {
        var record = try ProcessIdentity.current(bootID: ProcessIdentity.bootID()).record
        var writer = WireWriter()
        writer.put(Int32(4_194_303))
        record.replaceSubrange(0..<4, with: writer.bytes)
        #expect(try ProcessIdentity(record: record).isOpen == false)
    }
}

extension ProcessIdentity {
    fileprivate var isOpen: Bool {
        get throws {
            let descriptor = try open()
            switch consume descriptor {
            case .some(let open):
                _ = consume open
                return true
            case .none: return false
            }
        }
    }
}
