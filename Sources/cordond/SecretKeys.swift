import Access
import ArgumentParser
import Foundation
import Glibc
import ServiceConfiguration

extension CheckedConfiguration {
    /// The operator's keys, read while this process may; nil where the service has its own. What the variable
    /// holds is wiped from this process's environment, which `/proc` shows.
    static func readSecretKeys(
        _ loaded: LoadedConfiguration, problems: inout [ConfigurationProblem], notes: inout [String]
    ) -> KeyRing? {
        if let text = takeVariable(KeyRing.variable) {
            do { return try KeyRing(text: text) } catch {
                problems.append(
                    ConfigurationProblem(.variable(KeyRing.variable), "has keys that can't be: \(error.description)"))
                return nil
            }
        }
        guard let path = loaded.values.secretKeysFile else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            problems.append(loaded.problem(with: "secret_keys_file", "names no file that can be read: \(path)"))
            return nil
        }
        if let mode = try? FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int,
            mode & 0o077 != 0
        {
            notes.append("secret_keys_file can be read by others than its owner (\(path))")
        }
        do { return try KeyRing(text: String(decoding: data, as: UTF8.self)) } catch {
            problems.append(loaded.problem(with: "secret_keys_file", "has keys that can't be: \(error.description)"))
            return nil
        }
    }

    private static func takeVariable(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        memset(value, 0, strlen(value))
        unsetenv(name)
        return text
    }
}

/// `cordond secret-keys`: the keys that secrets are sealed with.
struct SecretKeys: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret-keys", abstract: "Change the keys that secrets are sealed with.",
        subcommands: [Rotate.self, New.self])

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a new key in front of the instance's own keys, and print its id.",
            usage: "cordond secret-keys rotate [--config <file>] [<options> ...]",
            discussion: """
                The next start of the service seals everything with it, and says so in its log. Then the old keys may be \
                removed from the file, as far as no backup needs them. Keys in a file or variable of the operator's are \
                rotated there: put a line of `cordond secret-keys new` in front.
                """)

        @OptionGroup var arguments: ConfigurationArguments

        func run() throws {
            let values = try arguments.load().values
            guard values.secretKeysFile == nil, getenv(KeyRing.variable) == nil else {
                throw ValidationError("this instance's keys are the operator's: put a new one in front of them")
            }
            do { print(try KeyRing.rotate(in: values.stateDirectory)) } catch let malformed as KeyRing.Malformed {
                throw ValidationError(malformed.description)
            }
        }
    }

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print a new key, as a line of a keys file.")

        func run() { print(KeyRing.mintLine()) }
    }
}
