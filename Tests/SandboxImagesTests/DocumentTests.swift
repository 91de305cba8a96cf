import SandboxImages
import SandboxModel
import Testing

@Suite("Manifests and configurations")
struct DocumentTests {
    private static let digest = "sha256:" + String(repeating: "ab", count: 32)

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func layer(_ type: String) -> String { #"{"mediaType":"\#(type)","digest":"\#(Self.digest)","size":3}"# }

    private func manifest(layers: [String]) -> [UInt8] {
        bytes(
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":"#
                + layer("application/vnd.oci.image.config.v1+json")
                + #","layers":[\#(layers.map(layer).joined(separator: ","))]}"#)
    }

    @Test(
        "layers of OCI's and Docker's types are taken, with their compression",
        arguments: [
            ("application/vnd.oci.image.layer.v1.tar", ArchiveCompression.none),
            ("application/vnd.oci.image.layer.v1.tar+gzip", .gzip),
            ("application/vnd.oci.image.layer.v1.tar+zstd", .zstd),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", .gzip),
        ])
    func layerTypes(type: String, compression: ArchiveCompression) throws {
        guard case .manifest(let found) = try ManifestDocument(manifest(layers: [type]), type: "") else {
            Issue.record("no manifest")
            return
        }
        #expect(found.layers.map(\.compression) == [compression])
    }

    @Test("layers of other types, and too many, are refused")
    func refusedLayers() {
        for layers in [
            ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"],
            Array(repeating: "application/vnd.oci.image.layer.v1.tar", count: 401),
        ] {
            #expect(throws: RegistryError.self) { try ManifestDocument(manifest(layers: layers), type: "") }
        }
    }

    @Test("what isn't a manifest is refused, whatever it is", arguments: ["", "[]", "{}", "{\"layers\":3}", "nul"])
    func noManifest(text: String) {
        #expect(throws: RegistryError.self) {
            try ManifestDocument(bytes(text), type: "application/vnd.oci.image.manifest.v1+json")
        }
    }

    @Test("of several platforms this machine's is chosen, and its absence is told")
    func platforms() throws {
        func entry(_ platform: String?) throws -> Descriptor {
            Descriptor(
                type: "", digest: try #require(ContentDigest(Self.digest)), size: 1, platform: platform)
        }
        #expect(
            try ManifestDocument.choose([entry("linux/s390x"), entry(HostPlatform.name)]).platform
                == HostPlatform.name)
        #expect(try ManifestDocument.choose([entry(nil)]).platform == nil)
        #expect(throws: RegistryError.self) { try ManifestDocument.choose([entry("linux/s390x")]) }
    }

    @Test("a configuration is read; variables with names that nobody can have are left out")
    func config() throws {
        let text = #"""
            {"os":"linux","architecture":"\#(HostPlatform.architecture)","rootfs":{"diff_ids":["\#(Self.digest)"]},
             "config":{"Env":["PATH=/bin:/x","a.b=1","EMPTY="],"WorkingDir":"/srv","User":"app:app",
             "Entrypoint":["/e"],"Cmd":null,"ExposedPorts":{"80/tcp":{}},"Labels":{"k":"v"}}}
            """#
        let document = try ImageDocument(bytes(text), layers: 1)
        #expect(document.config.environment.variables == ["PATH": "/bin:/x", "EMPTY": ""])
        #expect(document.config.workdir == "/srv" && document.config.user == "app:app")
        #expect(document.config.entrypoint == ["/e"] && document.config.command == [])
        #expect(document.config.exposedPorts == ["80/tcp"] && document.config.labels == ["k": "v"])
        #expect(throws: RegistryError.self) { try ImageDocument(bytes(text), layers: 2) }
    }

    @Test("an image for another machine is refused", arguments: [#""windows","amd64""#, #""linux","s390x""#])
    func otherPlatform(pair: String) {
        let halves = pair.split(separator: ",")
        let text = #"{"os":\#(halves[0]),"architecture":\#(halves[1]),"rootfs":{"diff_ids":[]}}"#
        #expect(throws: RegistryError.self) { try ImageDocument(bytes(text), layers: 0) }
    }

    @Test("a challenge is read with its quoted values")
    func challenge() {
        #expect(
            AuthChallenge(#"Bearer realm="https://a/t",service="r,s",scope="repository:x:pull""#)
                == .bearer(realm: "https://a/t", service: "r,s", scope: "repository:x:pull"))
        #expect(AuthChallenge("Basic realm=\"x\"") == .basic)
        #expect(AuthChallenge("Negotiate") == nil)
    }

    @Test("Docker's credentials are read, and kept for their host alone")
    func credentials() throws {
        let text = #"{"auths":{"https://index.docker.io/v1/":{"auth":"YTpi"},"r.example:5000":{"auth":"YzpkOmU="}}}"#
        let credentials = try RegistryCredentials(dockerConfig: bytes(text))
        #expect(credentials.basic(for: RegistryEndpoint(host: "docker.io", isPlain: false)) == "YTpi")
        #expect(credentials.basic(for: RegistryEndpoint(host: "r.example:5000", isPlain: true)) == "YzpkOmU=")
        #expect(credentials.basic(for: RegistryEndpoint(host: "r.example", isPlain: false)) == nil)
        #expect(throws: RegistryCredentials.Malformed.self) {
            try RegistryCredentials(dockerConfig: bytes(#"{"auths":{"a":{"auth":"?"}}}"#))
        }
    }

    @Test("only loopback and listed hosts are asked without TLS")
    func plainHosts() {
        var options = RegistryOptions()
        options.plainHosts = ["r.example:5000"]
        options.mirrors = ["docker.io": ["127.0.0.1:5000"]]
        #expect(options.endpoints(of: "r.example:5000").map(\.url) == ["http://r.example:5000"])
        #expect(options.endpoints(of: "r.example").map(\.url) == ["https://r.example"])
        #expect(
            options.endpoints(of: "docker.io").map(\.url) == ["http://127.0.0.1:5000", "https://registry-1.docker.io"])
        #expect(options.endpoints(of: "127.evil.example").map(\.isPlain) == [false])
    }
}
