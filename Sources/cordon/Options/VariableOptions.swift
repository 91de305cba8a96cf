import ArgumentParser
import CordonClient
import Foundation

/// The variables of a secret, from wherever they are. Of one that is in several places, the last named here holds.
struct VariableOptions: ParsableArguments {
    @Option(
        name: .customLong("from-dotenv"), help: ArgumentHelp("A .env file.", valueName: "file"), completion: .file())
    var file: String?
    @Flag(name: .customLong("from-stdin"), help: "The text of a .env file on stdin.") var usesStdin = false
    @Argument(
        help: ArgumentHelp(
            "Variables; KEY alone takes ours, so that no value is in our command line.", valueName: "KEY=value|KEY"))
    var variables: [String] = []

    /// All of them; `removing` tells those that were written as `KEY-`.
    func read(removing: Bool = false) throws -> (set: [String: String], removed: [String]) {
        var found: [String: String] = [:]
        if let file {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw ValidationError("--from-dotenv \(file): it can't be read")
            }
            found.merge(try Self.parse(data, "--from-dotenv \(file)")) { $1 }
        }
        if usesStdin {
            let data = try FileHandle.standardInput.readToEnd() ?? Data()
            found.merge(try Self.parse(data, "--from-stdin")) { $1 }
        }
        let removed = removing ? variables.filter { $0.hasSuffix("-") && !$0.contains("=") } : []
        for text in variables where !removed.contains(text) {
            let (name, value) = try Self.variable(text)
            found[name] = value
        }
        return (found, removed.map { String($0.dropLast()) })
    }

    private static func parse(_ data: Data, _ source: String) throws -> [String: String] {
        guard let text = String(data: data, encoding: .utf8) else { throw ValidationError("\(source): it isn't UTF-8") }
        do { return try DotEnv(text).variables } catch { throw ValidationError("\(source): \(error)") }
    }

    private static func variable(_ text: String) throws -> (String, String) {
        if let equals = text.firstIndex(of: "=") {
            return (String(text[..<equals]), String(text[text.index(after: equals)...]))
        }
        guard let value = ProcessInfo.processInfo.environment[text] else {
            throw ValidationError("\(text): there is no such variable here; KEY=value, or KEY for ours")
        }
        return (text, value)
    }
}
