import Access
import Foundation
import SandboxModel
import Testing

@Suite("Sealing of secrets")
struct SecretSealTests {
    private static let one = "k1:" + Data(repeating: 1, count: 32).base64EncodedString()
    private static let two = "k2:" + Data(repeating: 2, count: 32).base64EncodedString()

    private let directory = NSTemporaryDirectory() + "seal-" + UUID().uuidString

    private func seal(_ text: String) throws -> EnvironmentSeal {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        return EnvironmentSeal(try KeyRing(text: text), hasher: try BodyHasher(directory: directory))
    }

    @Test("what was sealed opens, is never the same twice, and holds neither names nor values")
    func roundTrip() throws {
        let seal = try seal(Self.one)
        let place = SealPlace.secret(.mint(), version: 3)
        for variables in [
            [:], ["A": ""], ["A": "hunter2", "B": "ü\n\u{1}", "C": String(repeating: "x", count: 100_000)],
        ] {
            let environment = try Environment(variables)
            let sealed = try seal.seal(environment, at: place)
            #expect(sealed.keyID == "k1")
            #expect(try seal.open(sealed, at: place) == environment)
            #expect(try seal.seal(environment, at: place) != sealed)
            #expect(Data(sealed.bytes).range(of: Data("hunter2".utf8)) == nil)
        }
    }

    @Test("nothing opens in another place, in another version, with another key, or with a bit changed")
    func bound() throws {
        let seal = try seal(Self.one)
        let id = SecretID.mint()
        let sealed = try seal.seal(try Environment(["A": "hunter2"]), at: .secret(id, version: 1))
        for place in [
            SealPlace.secret(id, version: 2), .secret(.mint(), version: 1), .sandbox(.mint()),
            .sandbox(SandboxID(unchecked: id.text)),
        ] {
            #expect(throws: SealBroken.notAuthentic) { try seal.open(sealed, at: place) }
        }
        for index in sealed.bytes.indices {
            var changed = sealed
            changed.bytes[index] ^= 1
            #expect(throws: SealBroken.notAuthentic) { try seal.open(changed, at: .secret(id, version: 1)) }
        }
        for length in [0, 1, 11, 12, 28, sealed.bytes.count - 1] {
            let cut = SealedEnvironment(keyID: "k1", bytes: Array(sealed.bytes.prefix(length)))
            #expect(throws: SealBroken.notAuthentic) { try seal.open(cut, at: .secret(id, version: 1)) }
        }
        let other = try self.seal(Self.two)
        #expect(throws: SealBroken.unknownKey("k1")) { try other.open(sealed, at: .secret(id, version: 1)) }
        var renamed = sealed
        renamed.keyID = "k2"
        let both = try self.seal(Self.two + "\n" + Self.one)
        #expect(throws: SealBroken.notAuthentic) { try both.open(renamed, at: .secret(id, version: 1)) }
        #expect(try both.open(sealed, at: .secret(id, version: 1)) == Environment(["A": "hunter2"]))
        #expect(both.currentKeyID == "k2")
    }

    @Test("a fingerprint tells the same from another request, in whatever way they differ")
    func fingerprints() throws {
        let seal = try seal(Self.one)
        let named = SecretReference.name(try SecretName("n"))
        let requests: [[SecretSource]] = [
            [.stored(named, requiredKeys: [])], [.stored(named, requiredKeys: ["A"])],
            [.stored(named, requiredKeys: []), .stored(named, requiredKeys: [])],
            [.inline(try Environment(["A": "1"]))], [.inline(try Environment(["A": "2"]))],
            [.inline(try Environment(["A": "1"])), .inline(.empty)], [.inline(try Environment(["A": "", "B": ""]))],
            [.inline(try Environment(["n": ""]))],
        ]
        let prints = requests.map { seal.fingerprint(of: $0) }
        #expect(Set(prints).count == requests.count)
        // The key isn't among those that are rotated.
        #expect(try requests.map { try self.seal(Self.two).fingerprint(of: $0) } == prints)
    }

    @Test(
        "a text of keys that can't be is refused, without repeating a key",
        arguments: [
            "", "# none", "k1", "k1:", "k1:c2hvcnQ=", ":\(String(repeating: "A", count: 43))=", one + "\n" + one,
            "k 1:" + one.dropFirst(3), (0..<17).map { "x\($0)" + one.dropFirst(2) }.joined(separator: ","),
        ])
    func malformed(_ text: String) {
        do {
            _ = try KeyRing(text: text)
            Issue.record("accepted: \(text.prefix(20))")
        } catch {
            #expect(!"\(error)".contains("AQEBAQ"))
        }
    }

    @Test("the first start makes a key file that only its owner reads, and a rotation puts a key in front")
    func file() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        #expect(throws: KeyRing.Malformed.self) { try KeyRing.rotate(in: directory) }
        let first = try KeyRing.establish(in: directory)
        #expect(try KeyRing.establish(in: directory).ids == first.ids)
        let path = directory + "/" + KeyRing.fileName
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let fresh = try KeyRing.rotate(in: directory)
        #expect(try KeyRing.establish(in: directory).ids == [fresh] + first.ids)
        try "broken".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: KeyRing.Malformed.self) { try KeyRing.establish(in: directory) }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "broken")
    }
}
