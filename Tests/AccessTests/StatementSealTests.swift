import Access
import Foundation
import SandboxModel
import Synchronization
import Testing

@Suite struct StatementSealTests {
    private let directory: String
    private let caller = Caller(tokenID: "tk-somebody")

    init() throws {
        directory = NSTemporaryDirectory() + "statement-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    @Test("a statement says for whom it speaks and about what, also to the next process with the same key")
    func roundTrip() throws {
        let sandbox = SandboxID.mint()
        let statement = try StatementSeal(directory: directory).statement(for: caller, about: sandbox)
        #expect(statement.split(separator: ".").count == 3)
        let (read, about) = try StatementSeal(directory: directory).open(statement)
        #expect(read == caller)
        #expect(about == sandbox)
        let general = try StatementSeal(directory: directory).statement(for: caller, about: nil)
        #expect(try StatementSeal(directory: directory).open(general).sandbox == nil)
    }

    @Test("clients can read when it expires: the middle part is JSON with exp")
    func readable() throws {
        let statement = try StatementSeal(directory: directory).statement(for: caller, about: nil)
        var middle = String(statement.split(separator: ".")[1]).replacing("-", with: "+").replacing("_", with: "/")
        middle += String(repeating: "=", count: (4 - middle.count % 4) % 4)
        let data = try #require(Data(base64Encoded: middle))
        let claims = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let expiry = try #require(claims["exp"] as? Double)
        #expect(expiry > Date().timeIntervalSince1970 + 3000)
    }

    @Test("a changed statement, one of another key, and one that is too old are refused")
    func refused() throws {
        let time = SetClock()
        let seal = try StatementSeal(directory: directory, now: { time.value })
        let statement = try seal.statement(for: caller, about: SandboxID.mint())
        var changed = Array(statement.utf8)
        changed[changed.count / 2] = changed[changed.count / 2] == 65 ? 66 : 65
        for wrong in [String(decoding: changed, as: UTF8.self), "", "a.b.c", "..", String(repeating: "a", count: 5000)]
        {
            #expect(throws: CordonError.self) { try seal.open(wrong) }
        }
        let other = directory + "/other"
        try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
        #expect(throws: CordonError.self) { try StatementSeal(directory: other).open(statement) }
        time.advance(seconds: 3601)
        #expect(throws: CordonError.self) { try seal.open(statement) }
    }
}

/// A clock that a test sets.
private final class SetClock: Sendable {
    private let time = Mutex(Timestamp.now())

    var value: Timestamp { time.withLock { $0 } }

    func advance(seconds: Int64) {
        time.withLock { $0 = Timestamp(microseconds: $0.microseconds + seconds * 1_000_000) }
    }
}
