import CordonClient
import Foundation
import Testing

@Suite("The client's credentials")
struct CredentialTests {
    /// A directory with files of these contents, as long as `body` runs.
    private func withFiles(_ files: [String: String], _ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "cordon-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        for (name, text) in files {
            let file = directory.appending(path: name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        try body(directory.path)
    }

    private let file = #"{"url":"http://a:1","grpc_url":null,"ca_certificate":"PEM","token_id":"i","token_secret":"s"}"#
    private let users = #"{"url":"http://u:1","token_id":"u","token_secret":"s"}"#

    @Test("options go before variables, variables before the user's file")
    func findsInOrder() throws {
        try withFiles(["given.json": file, ".config/cordon/credentials.json": users]) { directory in
            let home = ["HOME": directory]
            let user = try Credentials.find(environment: home)
            #expect(user.credentials.tokenID == "u" && user.credentials.url == "http://u:1")
            #expect(user.tokenOrigin == .file(directory + "/.config/cordon/credentials.json"))

            let variables = home.merging(["CORDON_CREDENTIALS": directory + "/given.json", "CORDON_URL": "http://b:2"])
            { $1 }
            let named = try Credentials.find(environment: variables)
            #expect(named.credentials.tokenID == "i" && named.credentials.caCertificate == "PEM")
            #expect(named.credentials.url == "http://b:2" && named.urlOrigin == .variable("CORDON_URL"))

            let options = CredentialOptions(file: directory + "/.config/cordon/credentials.json", url: "http://c:3")
            let chosen = try Credentials.find(options, environment: variables.merging(["CORDON_TOKEN": "x.y"]) { $1 })
            #expect(chosen.credentials.tokenID == "u" && chosen.credentials.url == "http://c:3")
            #expect(chosen.urlOrigin == .option("--url"))
        }
    }

    @Test("a token that is given isn't sent to the service of a file that was only found")
    func keepsTokensApart() throws {
        try withFiles([".config/cordon/credentials.json": users, "token": "a.b.c\n"]) { directory in
            let home = ["HOME": directory]
            let own = try Credentials.find(environment: home.merging(["CORDON_TOKEN": "x.y"]) { $1 })
            #expect(own.credentials.url == Credentials.standardURL && own.urlOrigin == .standard && own.file == nil)
            let filed = try Credentials.find(CredentialOptions(tokenFile: directory + "/token"), environment: home)
            #expect(filed.credentials.tokenID == "a" && filed.credentials.tokenSecret == "b.c")
            let pair = try Credentials.find(
                environment: ["CORDON_TOKEN_ID": "x", "CORDON_TOKEN_SECRET": "y", "CORDON_TOKEN": "z.z"])
            #expect(pair.credentials.tokenID == "x" && pair.credentials.tokenSecret == "y")
        }
    }

    @Test("an error names the file or variable, and no secret")
    func explains() throws {
        try withFiles(["bad.json": #"{"token_secret":"hidden"}"#, "token": "hidden"]) { directory in
            for (options, environment) in [
                (CredentialOptions(file: directory + "/bad.json"), [:]), (.init(file: "/nowhere"), [:]),
                (.init(tokenFile: directory + "/token"), [:]), (.init(), ["CORDON_TOKEN": "hidden"]),
                (.init(), ["CORDON_CREDENTIALS": directory + "/bad.json"]),
                (.init(caFile: "/nowhere"), ["CORDON_TOKEN": "x.y"]),
            ] as [(CredentialOptions, [String: String])] {
                let error = #expect(throws: ClientError.self) {
                    try Credentials.find(options, environment: environment)
                }
                #expect(error?.description.contains("hidden") == false)
                #expect(error?.description.contains("/") == true || error?.description.contains("CORDON_TOKEN") == true)
            }
        }
    }
}
