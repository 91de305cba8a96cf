import Foundation
import ServiceSupport
import Testing

/// Tunnels and readiness through servers and clients that we did not write; the checks are in `Programs/tunnels.py`.
@Suite("Tunnels", .serialized, .timeLimit(.minutes(5)))
struct TunnelTests {
    @Test("a web server inside is reached through TLS by curl and openssl, and no longer once its sandbox has ended")
    func httpServer() async throws { try await check("tunnels", "http_server") }

    @Test("an HTTP/2 server inside is reached by curl through a tunnel that offers h2")
    func http2() async throws { try await check("tunnels", "h2_server") }

    @Test("redis inside serves its own client and load generator outside")
    func redis() async throws { try await check("tunnels", "redis") }

    @Test("OpenSSH's server inside serves its clients outside: commands, files, a forwarded port")
    func sshd() async throws {
        // Its package comes from the registry, into the sandbox: nobody's host needs a server.
        try await check("tunnels", "sshd", service: ["--network=true"])
    }

    @Test("a side that has said all is still answered, and both directions are full at once")
    func halfClose() async throws { try await check("tunnels", "half_close") }

    @Test("through TLS each direction ends by itself, by a close_notify")
    func halfCloseInTLS() async throws { try await check("tunnels", "half_close_in_tls") }

    @Test("the REST port's certificate is the tunnels' too, where it covers them")
    func certificates() async throws {
        for (name, whose) in [("IP:127.0.0.1", "ours"), ("DNS:localhost", "theirs")] {
            let file = NSTemporaryDirectory() + "cordon-certificate-\(UUID().uuidString)"
            defer { for end in [".pem", ".key"] { try? FileManager.default.removeItem(atPath: file + end) } }
            let made = try await ServiceInstance.program(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=test", "-addext", "subjectAltName=\(name)", "-keyout", file + ".key", "-out",
                    file + ".pem",
                ])
            try #require(made.status == 0, "\(made.output)")
            try await check(
                "tunnels", "certificates", [file + ".pem", whose],
                service: ["--tls", "files", "--tls-certificate", file + ".pem", "--tls-key", file + ".key"])
        }
    }

    @Test("10 GB go through one connection, to the last byte")
    func manyBytes() async throws { try await check("tunnels", "many_bytes", ["10"]) }

    @Test("1,000 connections at once each have their own bytes")
    func manyConnections() async throws {
        try await check("tunnels", "many_connections", ["1000"], service: ["--max-tunnel-connections", "1200"])
    }

    @Test("the end of one side is the other's, a reset a reset, and that of the sandbox everybody's")
    func endings() async throws { try await check("tunnels", "endings") }

    @Test("clients that read nothing hold nobody else back and cost the service no memory")
    func stalledReaders() async throws { try await check("tunnels", "stalled_readers") }

    @Test("only addresses of the allowlist come in")
    func inbound() async throws { try await check("tunnels", "inbound") }

    @Test("ports, ranges and probes that can't be are refused by field")
    func refusals() async throws { try await check("tunnels", "refusals") }

    @Test("with a domain, encrypted tunnels are names on one port that nobody guesses")
    func names() async throws {
        let port = somePort()
        try await check(
            "tunnels", "names", service: ["--tunnel-domain", "tunnels.test", "--tunnel-domain-port", "\(port)"])
    }

    @Test("hostile greetings lead nowhere, and cost nobody else anything")
    func greetings() async throws {
        let port = somePort()
        try await check(
            "tunnels", "hostile_greetings",
            service: ["--tunnel-domain", "tunnels.test", "--tunnel-domain-port", "\(port)"])
    }

    @Test("connections that end in every way, and sandboxes that end below them, leave nothing behind")
    func nothingLeft() async throws { try await check("tunnels", "nothing_left") }

    @Test("clients, servers, the launcher and sandboxes that are killed under full connections leave nothing behind")
    func kills() async throws { try await check("tunnels", "kills") }

    @Test("an open connection keeps a sandbox from being idle")
    func idle() async throws { try await check("tunnels", "idle") }

    @Test("a sandbox is ready when its probe says so, and says so once")
    func readiness() async throws { try await check("tunnels", "readiness") }

    @Test("tunnels are where they were after the service was killed, connections never show a wrong byte")
    func restarts() async throws {
        try await withService { service in
            let control = service.directory + "/control"
            try FileManager.default.createDirectory(atPath: control, withIntermediateDirectories: true)
            let session = Task { try await service.check("tunnels", "across_restarts", [control]) }
            for _ in 0..<1500 where !FileManager.default.fileExists(atPath: control + "/ready") {
                try await Task.sleep(for: .milliseconds(20))
            }
            for _ in 0..<5 {
                try await Task.sleep(for: .milliseconds(Int.random(in: 300...900)))
                service.killService()
                try await service.startService()
            }
            makeEmptyFile(at: control + "/stop")
            _ = try await session.value
        }
    }
}
