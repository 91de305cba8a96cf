import Foundation
import ServiceSupport
import Testing

/// TLS of the real service, with its own certificate authority: curl and `cordon` as clients.
@Suite("A service that speaks TLS", .serialized, .timeLimit(.minutes(3)))
struct TLSTests {
    @Test("a development CA's service is believed by who was given its certificate, before and after a restart")
    func developmentCA() async throws {
        try await withService("--tls", "development-ca") { service in
            #expect(service.url.hasPrefix("https://127.0.0.1:"))
            let cordond = try ServiceInstance.products + "/cordond"
            let (status, pem) = try await ServiceInstance.program(
                cordond, ["ca", "--data-dir", service.dataDirectory], environment: [:])
            #expect(status == 0 && pem.hasPrefix("-----BEGIN CERTIFICATE-----"))
            let file = service.directory + "/ca.pem"
            try pem.write(toFile: file, atomically: true, encoding: .utf8)

            func curl(_ arguments: String...) async throws -> (status: Int32, output: String) {
                try await ServiceInstance.program(
                    "/usr/bin/curl",
                    ["-sS", "-H", "Authorization: Bearer \(service.token)", service.url + "/v1/sandboxes"] + arguments)
            }
            #expect(try await curl("--cacert", file).output.contains("\"sandboxes\""))
            #expect(try await curl().status == 60, "nobody else believes it")

            service.killService()
            try await service.startService()
            #expect(try await curl("--cacert", file).output.contains("\"sandboxes\""))
            let run = try await ServiceInstance.program(
                try ServiceInstance.products + "/cordon", ["run", "--", "echo", "over TLS"],
                environment: ["CORDON_CREDENTIALS": service.dataDirectory + "/credentials.json"])
            #expect(run.status == 0 && run.output == "over TLS\n", "\(run.output)")
        }
    }
}
