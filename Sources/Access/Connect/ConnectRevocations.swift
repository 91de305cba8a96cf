import Foundation
import SandboxModel
import Synchronization

/// The connect tokens that were taken back before they expire, on disk before anybody is told so.
///
/// A token is kept in mind for as long as it could be good, a day at most, and there is a bound for each sandbox
/// and for all of them: the file is written anew with each.
final class ConnectRevocations: Sendable {
    static let fileName = "connect-revoked.json"
    static let most = 10_000
    static let mostOfSandbox = 256

    private let path: String
    private let now: @Sendable () -> Timestamp
    /// Until when each could be good, in microseconds, by sandbox and token.
    private let entries: Mutex<[String: Int64]>
    /// Writes one after the other.
    private let writing = DispatchQueue(label: "connect-revocations")

    /// Reads what was written. A file that can't be read is an error, and stays.
    init(directory: String, now: @escaping @Sendable () -> Timestamp) throws {
        self.now = now
        path = directory + "/" + Self.fileName
        let bytes = try PrivateFile.read(path)
        do {
            entries = Mutex(try bytes.map { try JSONDecoder().decode([String: Int64].self, from: Data($0)) } ?? [:])
        } catch { throw PrivateFile.Failure(file: Self.fileName, step: "it isn't what was written", code: EINVAL) }
    }

    func contains(_ grant: ConnectGrant) -> Bool {
        let key = Self.key(grant.id, grant.sandbox)
        return entries.withLock { $0[key] != nil }
    }

    func add(_ id: ConnectTokenID, of sandbox: SandboxID) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            writing.async { continuation.resume(with: Result { try self.write(id, sandbox) }) }
        }
    }

    private static func key(_ id: ConnectTokenID, _ sandbox: SandboxID) -> String { "\(sandbox)/\(id)" }

    private func write(_ id: ConnectTokenID, _ sandbox: SandboxID) throws {
        let (key, now) = (Self.key(id, sandbox), now().microseconds)
        var kept = entries.withLock { $0 }.filter { $0.value > now }
        guard kept[key] == nil else { return }
        let own = kept.keys.count { $0.hasPrefix(sandbox.text) }
        guard kept.count < Self.most, own < Self.mostOfSandbox else {
            throw CordonError(
                .resourceExhausted, "too many connect tokens that could still be good were taken back",
                rule: "at most \(Self.mostOfSandbox) of a sandbox and \(Self.most) in all; end the sandbox, or wait")
        }
        kept[key] = now + ConnectGrant.maximumLifetime.microseconds
        try PrivateFile.write(Array(try JSONEncoder().encode(kept)), to: path)
        entries.withLock { $0 = kept }
    }
}
