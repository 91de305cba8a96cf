import Crypto
import Foundation
import SandboxModel

/// Seals variables with AES-256-GCM under a random nonce. What is sealed is bound to its place and its
/// key's id: a row that is put in another's place, or an old version in a new one's, doesn't open.
public struct EnvironmentSeal: EnvironmentSealer {
    private let ring: KeyRing
    private let hasher: BodyHasher

    /// - Parameter hasher: makes fingerprints; its key stays when those of the ring change.
    public init(_ ring: KeyRing, hasher: BodyHasher) {
        self.ring = ring
        self.hasher = hasher
    }

    public var currentKeyID: String { ring.currentID }

    public func seal(_ environment: Environment, at place: SealPlace) throws -> SealedEnvironment {
        let (id, key) = ring.keys[0]
        let box = try AES.GCM.seal(
            VariableCoding.encode(environment), using: key, authenticating: Self.context(place, keyID: id))
        return SealedEnvironment(keyID: id, bytes: [UInt8](box.nonce) + [UInt8](box.ciphertext) + [UInt8](box.tag))
    }

    public func open(_ sealed: SealedEnvironment, at place: SealPlace) throws -> Environment {
        guard let key = ring.keys.first(where: { $0.id == sealed.keyID })?.key else {
            throw SealBroken.unknownKey(sealed.keyID)
        }
        guard let box = try? AES.GCM.SealedBox(combined: sealed.bytes),
            let plain = try? AES.GCM.open(box, using: key, authenticating: Self.context(place, keyID: sealed.keyID)),
            let environment = VariableCoding.decode([UInt8](plain))
        else { throw SealBroken.notAuthentic }
        return environment
    }

    public func fingerprint(of sources: [SecretSource]) -> [UInt8] {
        var bytes: [UInt8] = []
        for source in sources {
            switch source {
            case .stored(let reference, let required):
                bytes += VariableCoding.encode([reference.description] + required, tag: 1)
            case .inline(let environment):
                bytes += VariableCoding.encode(
                    environment.names.flatMap { [$0, environment.variables[$0] ?? ""] }, tag: 2)
            }
        }
        return hasher.hash(Array("cordon secrets 1\0".utf8) + bytes)
    }

    /// What is authenticated beside the variables. No two places have the same.
    private static func context(_ place: SealPlace, keyID: String) -> [UInt8] {
        switch place {
        case .secret(let id, let version):
            VariableCoding.encode(["cordon sealed environment 1", keyID, "secret", id.text, "\(version)"], tag: 0)
        case .sandbox(let id):
            VariableCoding.encode(["cordon sealed environment 1", keyID, "sandbox", id.text], tag: 0)
        }
    }
}

/// Texts as bytes that can be read in one way only: a tag, how many, and each behind its length.
enum VariableCoding {
    private static let environmentTag: UInt8 = 1

    static func encode(_ texts: [String], tag: UInt8) -> [UInt8] {
        var bytes = [tag]
        put(texts.count, to: &bytes)
        for text in texts {
            put(text.utf8.count, to: &bytes)
            bytes += text.utf8
        }
        return bytes
    }

    static func encode(_ environment: Environment) -> [UInt8] {
        encode(environment.names.flatMap { [$0, environment.variables[$0] ?? ""] }, tag: environmentTag)
    }

    /// The variables; nil when the bytes aren't what `encode` makes.
    static func decode(_ bytes: [UInt8]) -> Environment? {
        var rest = bytes[...]
        guard rest.popFirst() == environmentTag, let count = take(&rest), count.isMultiple(of: 2),
            count <= rest.count
        else { return nil }
        var texts: [String] = []
        for _ in 0..<count {
            guard let length = take(&rest), length <= rest.count,
                let text = String(validating: rest.prefix(length), as: UTF8.self)
            else { return nil }
            rest = rest.dropFirst(length)
            texts.append(text)
        }
        var variables: [String: String] = [:]
        for index in stride(from: 0, to: texts.count, by: 2) { variables[texts[index]] = texts[index + 1] }
        guard rest.isEmpty, variables.count * 2 == count else { return nil }
        return try? Environment(variables)
    }

    private static func put(_ number: Int, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
    }

    private static func take(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= 4 else { return nil }
        defer { bytes = bytes.dropFirst(4) }
        return bytes.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
