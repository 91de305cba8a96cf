import Foundation
import SandboxImages
import SandboxModel
import Synchronization
import Testing

@Suite("Pulling images")
struct PullTests {
    /// The password that the test's registry takes.
    private func credentials(_ port: Int) throws -> RegistryOptions {
        var options = RegistryOptions()
        let auth = Data("user:password".utf8).base64EncodedString()
        options.credentials = try RegistryCredentials(
            dockerConfig: Array(#"{"auths":{"127.0.0.1:\#(port)":{"auth":"\#(auth)"}}}"#.utf8))
        return options
    }

    @Test("an image is fetched from a registry that wants a token, and is there with its layers and configuration")
    func whole() async throws {
        try await withLayout { layout, directory in
            try await withRegistry(of: layout, "whole") { port in
                let world = try StoreWorld(in: directory, registries: credentials(port))
                let events = Mutex<[ImageEvent]>([])
                let name = try ImageReference("127.0.0.1:\(port)/app:one")
                let image = try await world.store.pull(name) { event in events.withLock { $0.append(event) } }
                #expect(image.kind == .registry && image.names == [name.description])
                #expect(image.root.base == .nothing && image.root.layers.count == 2)
                #expect(world.text("etc/base", in: image.root.layers[0]) == "base\n")
                #expect(world.text("etc/one", in: image.root.layers[1]) == "one\n")
                #expect(image.config.environment.variables == ["NAME": "one", "PATH": "/bin"])
                #expect(image.config.workdir == "/srv" && image.config.user == "7:8")
                #expect(try await world.store.image(.id(image.id)) == image)
                #expect(try await world.store.image(.reference(name)) == image)
                #expect(world.downloads == [], "downloads are gone once they are layers")
                guard case .resolved(_, let layers, _) = events.withLock({ $0[0] }) else {
                    Issue.record("the first event isn't what it is made of")
                    return
                }
                #expect(layers == 2)
            }
        }
    }

    @Test("a registry is believed by an authority of the operator's own, and by no other's")
    func ownAuthority() async throws {
        try await withLayout { layout, directory in
            try await withRegistry(of: layout, "tls") { port in
                var options = RegistryOptions()
                let auth = Data("user:password".utf8).base64EncodedString()
                options.credentials = try RegistryCredentials(
                    dockerConfig: Array(#"{"auths":{"127.1:\#(port)":{"auth":"\#(auth)"}}}"#.utf8))
                options.aliases["registry.example"] = "127.1:\(port)"
                let name = try ImageReference("registry.example/app:one")
                let stranger = try StoreWorld(in: directory, registries: options)
                await #expect(throws: CordonError.self) { try await stranger.store.pull(name) { _ in } }
                let certificate = try Data(contentsOf: URL(fileURLWithPath: layout + ".pem"))
                options.trust = try RegistryTrust(pem: [UInt8](certificate))
                let world = try StoreWorld(in: directory, registries: options)
                #expect(try await world.store.pull(name) { _ in }.root.layers.count == 2)
            }
        }
        #expect(throws: RegistryTrust.Malformed.self) { try RegistryTrust(pem: Array("no".utf8)) }
        #expect(throws: RegistryTrust.Malformed.self) { try RegistryTrust(pem: []) }
    }

    @Test(
        "a file that needs credential helpers is refused",
        arguments: [#""credHelpers":{"a.example":"gcr"}"#, #""credsStore":"desktop""#])
    func helpers(_ member: String) throws {
        let error = #expect(throws: RegistryCredentials.Malformed.self) {
            try RegistryCredentials(dockerConfig: Array(#"{"auths":{},\#(member)}"#.utf8))
        }
        #expect(error?.description.contains("credential helpers") == true)
        _ = try RegistryCredentials(dockerConfig: Array(#"{"auths":{},"credHelpers":{},"credsStore":""}"#.utf8))
    }

    @Test("a layer that two images share is made once, and a second pull makes nothing")
    func shared() async throws {
        try await withLayout { layout, directory in
            try await withRegistry(of: layout, "whole") { port in
                let world = try StoreWorld(in: directory, registries: credentials(port))
                let (one, two) = (
                    try ImageReference("127.0.0.1:\(port)/app:one"), try ImageReference("127.0.0.1:\(port)/app:two")
                )
                async let first = world.store.pull(one) { _ in }
                async let second = world.store.pull(two) { _ in }
                let images = try await [first, second]
                #expect(images[0].root.layers[0] == images[1].root.layers[0])
                #expect(world.machine.with { $0.unpackings } == 3)
                #expect(try await world.store.pull(one) { _ in } == images[0])
                #expect(world.machine.with { $0.unpackings } == 3)
            }
        }
    }

    @Test("a download that breaks off goes on where it was")
    func resumed() async throws {
        try await withLayout { layout, directory in
            try await withRegistry(of: layout, "broken") { port in
                let world = try StoreWorld(in: directory, registries: credentials(port))
                let image = try await world.store.pull(try ImageReference("127.0.0.1:\(port)/app:one")) { _ in }
                #expect(image.root.layers.count == 2)
            }
        }
    }

    @Test("a redirect to another server is followed without the credentials")
    func redirected() async throws {
        try await withLayout { layout, directory in
            try await withRegistry(of: layout, "elsewhere") { port in
                let world = try StoreWorld(in: directory, registries: credentials(port))
                let image = try await world.store.pull(try ImageReference("127.0.0.1:\(port)/app:one")) { _ in }
                #expect(image.root.layers.count == 2)
            }
        }
    }

    @Test("a blob that isn't what its digest says is refused, and nothing of it stays")
    func wrong() async throws {
        try await withLayout { layout, directory in
            try await withRegistry(of: layout, "wrong") { port in
                let world = try StoreWorld(in: directory, registries: credentials(port))
                let name = try ImageReference("127.0.0.1:\(port)/app:one")
                let error = await refusal { try await world.store.pull(name) { _ in } }
                #expect(error?.detail["reason"] == "digest_mismatch")
                #expect(try await world.store.images(matching: ImageQuery()).images.isEmpty)
                #expect(try await world.machine.layers().isEmpty)
                _ = try await world.store.collect()
                #expect(world.downloads == [])
            }
        }
    }

    @Test("what isn't there, whom the registry doesn't know, and who doesn't answer are told apart")
    func refusals() async throws {
        try await withLayout { layout, directory in
            try await withRegistry(of: layout, "whole") { port in
                let known = try StoreWorld(in: directory, registries: credentials(port))
                let stranger = try StoreWorld(in: directory + "/stranger")
                for (world, name, code) in [
                    (known, "127.0.0.1:\(port)/app:none", ErrorCode.notFound),
                    (stranger, "127.0.0.1:\(port)/app:one", .permissionDenied),
                    (known, "127.0.0.1:1/app:one", .unavailable),
                ] {
                    let error = await refusal { try await world.store.pull(try ImageReference(name)) { _ in } }
                    #expect(error?.code == code, "\(name)")
                }
            }
        }
    }

    @Test("a mirror is asked first, and the registry where the mirror hasn't got it")
    func mirrors() async throws {
        try await withLayout { layout, directory in
            try await withRegistry(of: layout, "whole") { port in
                var options = try credentials(port)
                options.mirrors = ["r.example": ["127.0.0.1:1"]]
                options.aliases = ["r.example": "127.0.0.1:\(port)"]
                let world = try StoreWorld(in: directory, registries: options)
                let image = try await world.store.pull(try ImageReference("r.example/app:one")) { _ in }
                #expect(image.names == ["r.example/app:one"])
            }
        }
    }
}
