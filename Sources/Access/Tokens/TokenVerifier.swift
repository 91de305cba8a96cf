import Foundation
import SandboxModel

/// Tells who calls by the credential they send.
public actor TokenVerifier {
    /// How many tokens' hashes are kept in memory.
    private static let cachedTokens = 1024

    private let records: any TokenRecords
    /// By token id. Only tokens that exist are kept, so a guesser can't push them out.
    private var hashes: [String: [UInt8]] = [:]

    public init(records: any TokenRecords) { self.records = records }

    /// The caller that `bearer` (`<id>.<secret>`) belongs to. Throws `unauthenticated`, without any
    /// part of the credential, when it belongs to nobody.
    public func verify(bearer: String) async throws -> Caller {
        try await verify(Token(bearer: bearer))
    }

    /// The caller that a token belongs to; for fronts whose clients send the two parts separately.
    public func verify(_ token: Token) async throws -> Caller {
        guard let known = try await hash(of: token.id), Self.areEqual(known, token.secretHash) else {
            throw CordonError.badToken
        }
        return Caller(tokenID: token.id)
    }

    /// Makes a token; its secret is on no record and can't be shown again.
    public func mintToken() async throws -> Token {
        let token = Token.mint()
        try await records.add(tokenID: token.id, secretHash: token.secretHash, at: .now())
        return token
    }

    private func hash(of id: String) async throws -> [UInt8]? {
        if let known = hashes[id] { return known }
        let found: [UInt8]?
        do {
            found = try await records.secretHash(of: id)
        } catch is CancellationError {
            throw CordonError(.cancelled, "the caller went away")
        } catch {
            throw CordonError(.unavailable, "tokens can't be looked up at the moment", retryAfter: .seconds(1))
        }
        guard let found else { return nil }
        if hashes.count >= Self.cachedTokens { hashes.removeAll() }
        hashes[id] = found
        return found
    }

    /// Takes the same time wherever the two differ.
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for (one, other) in zip(left, right) { difference |= one ^ other }
        return difference == 0
    }
}
