import ArgumentParser
import CordonClient
import Foundation

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows which service and credentials hold, and where each comes from.",
        discussion: """
            Options go before the environment (CORDON_URL, CORDON_TOKEN or CORDON_TOKEN_ID and CORDON_TOKEN_SECRET, \
            CORDON_CREDENTIALS, CORDON_CA_FILE), that before ~/.config/cordon/credentials.json, and that before the \
            file of this machine's service, /var/lib/cordon/credentials.json. Secrets aren't shown.
            """)

    @OptionGroup var service: ServiceOptions
    @Flag(help: "As JSON.") var json = false

    private struct Setting: Encodable {
        var value: String
        var origin: String
    }

    func run() throws {
        let found = try service.found()
        var settings = [
            ("service", Setting(value: found.credentials.url, origin: "\(found.urlOrigin)")),
            ("token", Setting(value: found.credentials.tokenID + ".********", origin: "\(found.tokenOrigin)")),
        ]
        if found.credentials.url.hasPrefix("https:") {
            let trusted = found.certificateOrigin.map { Setting(value: "a certificate", origin: "\($0)") }
            settings.append(("trusts", trusted ?? Setting(value: "what the system trusts", origin: "default")))
        }
        if let file = found.file { settings.append(("credentials", Setting(value: file, origin: origin(of: file)))) }
        if json { return try printJSON(Dictionary(uniqueKeysWithValues: settings), forPeople: true) }
        for (name, setting) in settings {
            print("\(name.padding(toLength: 12, withPad: " ", startingAt: 0))\(setting.value)  (\(setting.origin))")
        }
    }

    /// Why a credentials file was the one to read.
    private func origin(of file: String) -> String {
        if service.credentials != nil { return "--credentials" }
        let environment = ProcessInfo.processInfo.environment
        switch file {
        case environment["CORDON_CREDENTIALS"]: return "CORDON_CREDENTIALS"
        case Credentials.serviceFile: return "the service of this machine"
        default: return "the user's"
        }
    }
}
