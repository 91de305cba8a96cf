import CordonAPI
import Foundation
import ServiceConfiguration
import Testing

/// Reading the configuration from its places.
struct LoadingTests {
    /// Loads with a file of that content; returns the problems' texts where it is refused, with `FILE` for its path.
    private func load(
        _ arguments: [String] = [], file: String? = nil, environment: [String: String] = [:]
    ) throws -> (loaded: LoadedConfiguration?, problems: [String]) {
        let path = FileManager.default.temporaryDirectory.appending(path: "cordond-\(UUID().uuidString).yaml").path
        try (file ?? "").write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        do throws(ConfigurationRefused) {
            return (try LoadedConfiguration(arguments: arguments, file: path, environment: environment), [])
        } catch { return (nil, error.problems.map { $0.description.replacing(path, with: "FILE") }) }
    }

    @Test("a flag holds over a variable, a variable over the file, the file over the default")
    func precedence() throws {
        let (loaded, problems) = try load(
            ["--pool-size", "4"], file: "pool_size: 1\ndefault_pids: 10\nmax_sandboxes: 30\n",
            environment: ["CORDON_POOL_SIZE": "2", "CORDON_DEFAULT_PIDS": "20", "PATH": "/bin"])
        let configuration = try #require(loaded, "\(problems)")
        #expect(configuration.values.poolSize == 4)
        #expect(configuration.values.defaultPids == 20)
        #expect(configuration.values.maximumSandboxes == 30)
        #expect(configuration.values.execSpoolMiB == 256)
        #expect(configuration.origin(of: "pool_size") == .flag("--pool-size"))
        #expect(configuration.origin(of: "default_pids") == .variable("CORDON_DEFAULT_PIDS"))
        #expect(configuration.origin(of: "max_sandboxes").description.hasSuffix(".yaml:3"))
        #expect(configuration.origin(of: "exec_spool_mib") == .standard)
    }

    @Test("everything that is wrong is said at once, each with its place")
    func allProblems() throws {
        let (_, problems) = try load(
            ["--listne", "a:1", "--default-pids", "1", "stray", "--user"],
            file: "pol_size: 4\n\npool_size: 999\nlisten:\nlog_level: [debug]\n",
            environment: ["CORDON_POOL_SIZ": "4", "CORDON_HIDE_USR_LOCAL": "maybe", "CORDON_CREDENTIALS": "/x"])
        #expect(
            problems == [
                "FILE:1: there is no option pol_size; there is pool_size",
                "FILE:4: listen takes HOST:PORT, with port 0 or a port from 1024 to 65535",
                "FILE:5: log_level takes one of trace, debug, info, notice, warning, error, critical",
                "FILE:3: pool_size is an integer from 0 to 256, not 999",
                "CORDON_POOL_SIZ: there is no option CORDON_POOL_SIZ; there is CORDON_POOL_SIZE",
                "CORDON_HIDE_USR_LOCAL: hide_usr_local is true or false, not maybe",
                "--listne: there is no option --listne; there is --listen",
                "stray: is neither an option nor a command",
                "--user: takes a value: the name of an account",
                "--default-pids: default_pids is an integer from 2 to 4000000, not 1",
            ])
    }

    @Test("a value that can't be is refused also where another place overrides it")
    func overridden() throws {
        let (_, problems) = try load(["--pool-size", "1"], file: "pool_size: many")
        #expect(problems == ["FILE:1: pool_size is an integer from 0 to 256, not many"])
    }

    @Test("values that don't go together are refused at the place of the one that was said")
    func contradiction() throws {
        let (_, problems) = try load(["--sandbox-spool-mib", "8"])
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("--sandbox-spool-mib: sandbox_spool_mib doesn't go") == true)
    }

    @Test("the variables that clients are told by are left alone", arguments: ClientVariables.all.sorted())
    func clientVariable(_ name: String) throws {
        #expect(try load(environment: [name: "anything"]).problems == [])
    }

    @Test("a file that is no mapping is refused with its line")
    func badFiles() throws {
        #expect(try load(file: "# nothing but a comment\n").problems == [])
        #expect(try load(file: "- a\n- b\n").problems == ["FILE:1: is not a mapping from options to values"])
        #expect(try load(file: "pool_size: 1\n\tx: 2\n").problems.first?.hasPrefix("FILE:2: isn't YAML") == true)
        #expect(try load(file: "pool_size: 1\npool_size: 2\n").problems == ["FILE:1: says more than once: pool_size"])
        let missing = #expect(throws: ConfigurationRefused.self) {
            try LoadedConfiguration(arguments: [], file: "/nonexistent/file", environment: [:])
        }
        #expect(missing?.description == "/nonexistent/file: there is no such file, or it can't be read")
    }

    @Test("switches stand alone or take true or false; the last of several flags holds")
    func flags() throws {
        #expect(try load(["--hide-usr-local", "--pool-size=3"]).loaded?.values.hideUsrLocal == true)
        #expect(try load(["--hide-usr-local=false"]).loaded?.values.hideUsrLocal == false)
        #expect(try load(["--pool-size", "3", "--pool-size", "5"]).loaded?.values.poolSize == 5)
    }

    @Test("what is printed has every option, with its value and origin")
    func printing() throws {
        let loaded = try #require(try load(["--listen", "[::1]:0"]).loaded)
        let object = try JSONSerialization.jsonObject(with: Data(try loaded.json.utf8)) as? [String: [String: Any]]
        #expect(Set(object?.keys.map(\.self) ?? []) == Set(OptionTable.all.map(\.name)))
        #expect(object?["listen"]?["value"] as? String == "[::1]:0")
        #expect(object?["listen"]?["origin"] as? String == "--listen")
        #expect(object?["pool_size"]?["value"] as? Int == 8)
        #expect(object?["user"]?["value"] is NSNull)
        #expect(loaded.table.split(separator: "\n").count == OptionTable.all.count)
    }

    @Test(
        "addresses are a host and a port that the service may bind",
        arguments: [
            ("127.0.0.1:0", true), ("localhost:7747", true), ("[::1]:1024", true), ("[::]:65535", true),
            ("127.0.0.1", false), ("127.0.0.1:80", false), (":7747", false), ("::1:7747", false), ("a b:7747", false),
            ("127.0.0.1:65536", false), ("a/b:7747", false), ("[127.0.0.1]:7747", false),
        ])
    func addresses(_ text: String, isValid: Bool) {
        #expect((ListenAddress(text) != nil) == isValid)
        if let address = ListenAddress(text) { #expect(address.description == text) }
    }
}
