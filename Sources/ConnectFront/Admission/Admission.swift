import SandboxModel

/// A request that may pass, as far as its token says.
package struct AdmittedRequest: Sendable {
    package var grant: ConnectGrant
    /// Without any token.
    package var head: RequestHead
    /// The token, where a browser has to be given it as a cookie.
    package var cookieToken: String?
}

/// Decides by its token whether a request may pass, and where to.
package struct Admission: Sendable {
    let verifier: any ConnectTokenVerifier
    let address: ConnectAddress

    package init(verifier: any ConnectTokenVerifier, address: ConnectAddress) {
        self.verifier = verifier
        self.address = address
    }

    package func admit(_ request: RequestHead) throws(Refusal) -> AdmittedRequest {
        var head = request
        let shown: ShownTokens
        do { shown = try ShownTokens(takenFrom: &head) } catch { throw Refusal(error) }
        guard let place = shown.place else { throw .noToken }
        let grant = place == .cookie ? try grant(ofCookies: shown.candidates, head) : try grant(of: shown.candidates[0])
        guard address.leads(head.authority, to: grant.port, of: grant.sandbox) else { throw .otherHost }
        // It would stay in the browser and see the pages of whatever sandbox comes next on this host.
        if !address.hasHostForEach, !head.fields["service-worker"].isEmpty { throw .serviceWorker }
        return AdmittedRequest(grant: grant, head: head, cookieToken: place == .query ? shown.candidates[0] : nil)
    }

    private func grant(of token: String) throws(Refusal) -> ConnectGrant {
        do { return try verifier.grant(of: token) } catch { throw .badToken(error.message) }
    }

    /// Pages can set cookies of any name: those that are no good for this host are passed over, but where two
    /// are good, nobody can tell which of them the user means.
    private func grant(ofCookies tokens: [String], _ head: RequestHead) throws(Refusal) -> ConnectGrant {
        var good: [ConnectGrant] = []
        var fault = Refusal.noToken
        for token in tokens {
            do {
                let grant = try grant(of: token)
                if address.leads(head.authority, to: grant.port, of: grant.sandbox) {
                    good.append(grant)
                } else {
                    fault = .otherHost
                }
            } catch { fault = error }
        }
        guard let grant = good.first else { throw fault }
        guard good.count == 1 else { throw .severalTokens }
        return grant
    }
}
