import ArgumentParser
import ServerCertificates

/// `cordond ca`: what clients have to trust where `tls` is `development-ca`.
struct CA: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca", abstract: "Print the certificate of the instance's development CA.",
        usage: "cordond ca [--config <file>] [<options> ...]",
        discussion: "Takes the options of `cordond serve`; --data-dir says which instance is meant.")

    @OptionGroup var arguments: ConfigurationArguments

    func run() throws {
        let directory = try arguments.load().values.stateDirectory
        guard let pem = try DevelopmentAuthority.certificatePEM(in: directory) else {
            throw ValidationError(
                "\(directory) has no development CA: the first start with tls: development-ca makes it")
        }
        print(pem, terminator: "")
    }
}
