import Foundation
import ServiceSupport
import Testing

/// Isolation note 11: keyrings are inherited by whatever a process starts, across every namespace.
@Suite("Keyrings", .serialized)
struct KeyringTests {
    /// Puts a key into a session keyring of its own, then becomes the command that it is given.
    private static let withKey = """
        call("keyctl", 1, 0)
        call("add_key", ctypes.create_string_buffer(b"user"), ctypes.create_string_buffer(b"cordon-test"), ctypes.create_string_buffer(b"secret"), 6, -3)
        os.execv(sys.argv[1], sys.argv[1:])
        """
    private static let readKey = """
        key = call("keyctl", 10, -3, ctypes.create_string_buffer(b"user"), ctypes.create_string_buffer(b"cordon-test"), 0)
        buffer = ctypes.create_string_buffer(16)
        count = call("keyctl", 11, key, buffer, 16)
        return buffer.raw[:count].decode()
        """

    @Test("a key in the session keyring that the service was started with isn't there inside, filter or not")
    func session() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try ServiceInstance.unfiltered.write(toFile: "\(directory)/strict.json", atomically: true, encoding: .utf8)
        let launcher = ["/usr/bin/python3", "-c", pythonPrelude + Self.withKey]
        // What starts the service gives the key to everything it starts.
        let reader = pythonPrelude + "def body():\n" + Self.readKey.split(separator: "\n").map { "    \($0)\n" }.joined() + "print(outcome(body))"
        let control = try await ServiceInstance.program(launcher[0], Array(launcher.dropFirst()) + ["/usr/bin/python3", "-c", reader])
        #expect(control.output == "secret\n", "control: it is inherited: \(control.output)")

        try await withService("--policy-dir", directory, through: launcher) { service in
            let attempt = Attempt("read the key", Self.readKey, inside: "ENOKEY", "EACCES")
            let unfiltered = try await service.create(["policy": "strict"])
            let filtered = try await service.create()
            for user in ["0", "1000"] {
                let open = try await service.outcomes(of: [attempt], at: .sandbox(unfiltered, user: user))
                #expect(attempt.inside.contains(open[attempt.name] ?? ""), "\(open)")
                let closed = try await service.outcomes(of: [attempt], at: .sandbox(filtered, user: user))
                #expect(closed[attempt.name] == "EPERM", "\(closed)")
            }
        }
    }

    @Test("no call for keys gets past the filter, and no list of keys is shown")
    func calls() async throws {
        try await withService { service in
            let attempts = [
                Attempt("add", #"call("add_key", ctypes.create_string_buffer(b"user"), ctypes.create_string_buffer(b"x"), ctypes.create_string_buffer(b"y"), 1, -2)"#, inside: "EPERM"),
                Attempt("request", #"call("request_key", ctypes.create_string_buffer(b"user"), ctypes.create_string_buffer(b"none"), 0, 0)"#, inside: "EPERM", outside: ["ENOKEY"]),
                Attempt("session", #"call("keyctl", 1, 0)"#, inside: "EPERM"),
                Attempt("list", #"return len(text("/proc/keys")) > 0"#, inside: "False", outside: ["True"], control: "call('keyctl', 1, 0)\nreturn len(text('/proc/keys')) > 0"),
                Attempt("users", #"return len(text("/proc/key-users")) > 0"#, inside: "False", outside: ["True"]),
            ]
            try await service.hold(attempts, in: try await service.create())
        }
    }
}
