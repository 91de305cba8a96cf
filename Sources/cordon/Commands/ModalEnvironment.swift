import ArgumentParser
import CordonClient

/// `cordon modal-env`: what the official Modal SDKs need to be told to work with this service.
struct ModalEnvironment: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "modal-env", abstract: "Prints what Modal SDKs need in their environment, for a shell.",
        discussion: """
            eval "$(cordon modal-env)", and programs written against Modal's sandboxes run here. The token's secret is \
            printed with it. It is all in the credentials file, which has to be at hand.
            """)

    @OptionGroup var service: ServiceOptions

    func run() throws {
        let found = try service.found()
        guard let url = found.credentials.modalURL else {
            throw fail(ClientError.credentials("the credentials don't say where Modal SDKs find the service"))
        }
        print("export MODAL_SERVER_URL=\(url)")
        print("export MODAL_TOKEN_ID=\(found.credentials.tokenID)")
        print("export MODAL_TOKEN_SECRET=\(found.credentials.tokenSecret)")
        guard let secure = found.credentials.modalTLSURL else { return }
        print("# From elsewhere, and over TLS: MODAL_SERVER_URL=\(secure), and SSL_CERT_FILE=")
        print("# a file with what `cordon ca` prints, where nobody else vouches for the certificate.")
    }
}
