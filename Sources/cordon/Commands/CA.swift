import ArgumentParser
import CordonClient

struct CA: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca", abstract: "Prints the certificate to trust for encrypted tunnels.",
        discussion: "It is that of the service's development CA; with an operator's certificate there is none.")

    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let client = try service.client()
        print(try await reporting { try await client.tunnelAuthority() }, terminator: "")
    }
}
