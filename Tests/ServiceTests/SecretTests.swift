import Foundation
import ServiceSupport
import Testing

/// The checks are in `Programs/confidential.py`.
@Suite("Secrets", .serialized, .timeLimit(.minutes(5)))
struct SecretTests {
    @Test("a secret is created, shown without values, changed, listed and deleted")
    func lifecycle() async throws { try await check("confidential", "lifecycle") }

    @Test("commands get what their secrets say, in order, and sandboxes keep what they were created with")
    func environments() async throws { try await check("confidential", "environments") }

    @Test("a planted value is in its own sandbox's processes, and nowhere else that the host can look")
    func planted() async throws {
        try await withService("--log-level", "trace", "--access-log") { service in
            let value = "planted-" + UUID().uuidString
            try await service.check("confidential", "planted", [service.directory, value])
            service.killService()
            try await service.startService()
            try await service.check("confidential", "still_nowhere", [service.directory, value])
        }
    }

    @Test("no process of ours leaves a core file, or shows its memory to its own account")
    func cores() async throws {
        try await withService { service in
            try await service.check("confidential", "cores", [service.directory])
        }
    }

    @Test("what was answered is there after a kill, and a restarted service starts execs with the same secrets")
    func kills() async throws {
        try await withService { service in
            try await service.check("confidential", "before_the_kill", [service.directory])
            for _ in 0..<12 {
                async let created = service.check("confidential", "create_until_killed", [service.directory])
                try await Task.sleep(for: .milliseconds(Int.random(in: 300...900)))
                service.killService()
                _ = try await created
                try await service.startService()
                try await service.check("confidential", "after_the_kill", [service.directory])
            }
        }
    }

    @Test("keys are rotated: everything is sealed anew at the start, and the old key may go")
    func rotation() async throws {
        try await withService { service in
            try await service.check("confidential", "before_the_rotation", [service.directory])
            let arguments = ["--data-dir", service.dataDirectory, "--run-dir", service.runDirectory]
            let program = try ServiceInstance.products + "/cordond"
            let rotated = try await ServiceInstance.program(program, ["secret-keys", "rotate"] + arguments)
            #expect(rotated.status == 0, "\(rotated.output)")
            service.killService()
            try await service.startService()
            #expect(service.log.contains("sealed anew"))
            let file = service.dataDirectory + "/service/secret-keys"
            let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 2)
            try (lines[0] + "\n").write(toFile: file, atomically: false, encoding: .utf8)
            service.killService()
            try await service.startService()
            try await service.check("confidential", "after_the_rotation", [service.directory])
        }
    }

    @Test("keys come from a file or a variable of the operator's, and the variable is not left to be seen")
    func operatorsKeys() async throws {
        let key = "mine:" + Data((0..<32).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
        let file = FileManager.default.temporaryDirectory.appending(path: "keys-\(UUID().uuidString)").path
        try (key + "\n").write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await withService("--secret-keys-file", file) { service in
            try await service.check("confidential", "sealed_with", ["mine"])
            #expect(!FileManager.default.fileExists(atPath: service.dataDirectory + "/service/secret-keys"))
        }
        try await withService(through: ["/usr/bin/env", "CORDON_SECRET_KEYS=\(key)"]) { service in
            try await service.check("confidential", "sealed_with", ["mine"])
            try await service.check("confidential", "nowhere", [service.directory, key])
        }
    }

    @Test(".env files mean what python-dotenv takes them for")
    func dotenv() async throws { try await check("confidential", "dotenv") }

    @Test("the command line creates, lists, changes, uses and deletes secrets, without showing a value")
    func commandLine() async throws { try await check("confidential", "command_line") }
}
