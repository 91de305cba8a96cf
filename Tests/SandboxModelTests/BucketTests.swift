import SandboxModel
import Testing

@Suite("Values of buckets")
struct BucketTests {
    @Test("names of buckets", arguments: ["abc", "a-b.c", "0ab", String(repeating: "a", count: 63)])
    func names(_ text: String) throws { #expect(try BucketName(text).text == text) }

    @Test(
        "what is no bucket's name",
        arguments: ["", "ab", "Abc", "a_b", "-ab", "ab.", "a..b", "a/b", "ab\n", String(repeating: "a", count: 64)])
    func wrongNames(_ text: String) { #expect(throws: CordonError.self) { try BucketName(text) } }

    @Test("a prefix is names with slashes between; one slash at its end doesn't count")
    func prefixes() throws {
        #expect(try KeyPrefix("a/b c/").text == "a/b c")
        for text in ["", "/", "/a", "a//b", "a/./b", "..", "a\nb", "a\u{85}", String(repeating: "a/", count: 300)] {
            #expect(throws: CordonError.self, "\(text)") { try KeyPrefix(text) }
        }
    }

    @Test("an endpoint is a scheme, a host and maybe a port, and nothing that could hold a password is repeated")
    func endpoints() throws {
        for text in ["https://s3.example.com", "http://127.0.0.1:9000", "http://[::1]", "http://[2001:db8::1]:1"] {
            #expect(try BucketEndpoint(text + "/").text == text)
        }
        for text in [
            "s3.example.com", "ftp://a", "http://", "http://a/b", "http://a:0", "http://a:70000", "http://a:",
            "http://a?b",
            "http://[::1", "http://[1.2.3.4]", "http://a b", "http://a\nb", "http://-a", "http://a..b",
        ] { #expect(throws: CordonError.self, "\(text)") { try BucketEndpoint(text) } }
        let error = #expect(throws: CordonError.self) { try BucketEndpoint("http://user:planted@host") }
        #expect(error?.value == nil && !"\(String(describing: error))".contains("planted"))
    }

    @Test("keys come in pairs, and none that could end a line of settings is taken or told")
    func credentials() throws {
        func credentials(_ variables: [String: String]) throws -> BucketCredentials? {
            try BucketCredentials(try Environment(variables), field: "secrets")
        }
        let (id, key) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        #expect(try credentials(["OTHER": "x"]) == nil)
        #expect(try credentials([id: "a", key: "b/+="])?.secretKey == "b/+=")
        #expect(try credentials([id: "a", key: "b", "AWS_SESSION_TOKEN": ""])?.sessionToken == nil)
        for half in [[id: "a"], [key: "b"], [id: "a", key: ""]] {
            let error = #expect(throws: CordonError.self) { try credentials(half) }
            #expect(error?.code == .failedPrecondition)
        }
        for wrong in ["planted\nx", "planted x", "planted%(x)s", "\"planted", "planted;", "planted#", "plantedä"] {
            for variables in [
                [id: wrong, key: "b"], [id: "a", key: wrong], [id: "a", key: "b", "AWS_SESSION_TOKEN": wrong],
            ] {
                let error = #expect(throws: CordonError.self, "\(wrong)") { try credentials(variables) }
                #expect(error?.code == .invalidArgument && !"\(String(describing: error))".contains("planted"))
            }
        }
        #expect(
            try credentials([id: "planted", key: "planted"]).map { "\($0) \(String(reflecting: $0))" }
                == "credentials credentials")
    }

    @Test("no bucket lies in another one's path, and no volume in a bucket's")
    func paths() throws {
        func bucket(_ path: String) throws -> BucketMount {
            BucketMount(bucket: try BucketName("abc"), path: try FilePath(path))
        }
        let volume = VolumeMount(volume: .name(try VolumeName("v")), path: try FilePath("/v"))
        try BucketMount.check([bucket("/a"), bucket("/ab"), bucket("/v/b")], beside: [volume])
        for paths in [["/a", "/a"], ["/a", "/a/b"], ["/a/b", "/a"], ["/v"], ["/"], ["/proc/x"], ["/a/../b"]] {
            #expect(throws: CordonError.self, "\(paths)") {
                try BucketMount.check(paths.map { try bucket($0) }, beside: [volume])
            }
        }
        let inside = VolumeMount(volume: .name(try VolumeName("v")), path: try FilePath("/a/v"))
        #expect(throws: CordonError.self) { try BucketMount.check([bucket("/a")], beside: [inside]) }
        #expect(throws: CordonError.self) { try BucketMount.check((0..<5).map { try bucket("/\($0)") }, beside: []) }
    }
}
