import LinuxSystem
import SandboxLauncher
import SandboxModel
import Testing

@Suite("Programs of buckets")
struct BucketProgramTests {
    private func program(_ mount: BucketMount, _ credentials: BucketCredentials? = nil) -> BucketProgram {
        BucketProgram(order: BucketOrder(mount, credentials: credentials), owner: 7)
    }

    @Test("keys are in the settings, and in no argument or variable")
    func keys() throws {
        let credentials = try BucketCredentials(
            keyID: "planted-id", secretKey: "planted-key", sessionToken: "planted-token", field: "secrets")
        let program = program(BucketMount(bucket: try BucketName("abc"), path: try FilePath("/b")), credentials)
        for key in ["planted-id", "planted-key", "planted-token"] { #expect(program.settings.contains(" = \(key)\n")) }
        for text in program.arguments(program: "rclone", .serve) + program.arguments(program: "rclone", .ask)
            + program.environment
        { #expect(!text.contains("planted")) }
    }

    @Test("a mount's settings say its place, its service and how that is asked")
    func settings() throws {
        var mount = BucketMount(bucket: try BucketName("abc"), path: try FilePath("/b"))
        #expect(program(mount).settings.contains("provider = AWS\n"))
        #expect(program(mount).settings.contains("region = us-east-1\n"))
        #expect(!program(mount).settings.contains("access_key_id"))
        #expect(program(mount).arguments(program: "rclone", .serve).contains("bucket:abc/"))
        #expect(!program(mount).arguments(program: "rclone", .serve).contains("--read-only"))
        mount.prefix = try KeyPrefix("a/b/")
        mount.endpoint = try BucketEndpoint("http://[::1]:9000/")
        mount.region = try BucketRegion("auto")
        (mount.isReadOnly, mount.isPathStyle, mount.isRequesterPaid) = (true, true, true)
        for line in [
            "provider = Other", "endpoint = http://[::1]:9000", "region = auto", "force_path_style = true",
            "requester_pays = true",
        ] { #expect(program(mount).settings.contains(line + "\n")) }
        #expect(program(mount).arguments(program: "rclone", .serve).contains("bucket:abc/a/b/"))
        #expect(program(mount).arguments(program: "rclone", .serve).contains("--read-only"))
    }

    @Test("what a service has said isn't passed on")
    func reasons() {
        #expect(BucketProgram.reason(in: "x: NoSuchBucket: hello") == "there is no such bucket")
        #expect(
            BucketProgram.reason(in: "dial tcp 10.0.0.1:1: connect: operation not permitted")
                == "its endpoint has an address that buckets may not reach")
        #expect(BucketProgram.reason(in: "<b>hello</b>") == "its endpoint doesn't answer as S3 does")
    }

    @Test("of addresses the first rule that fits holds: resolvers, loopback, the host's own, closed, opened ones")
    func addresses() throws {
        let opened = try ["10.1.0.0/16", "10.1.8.8/32", "127.0.0.1/32"].map { try #require(AddressRange($0)) }
        let own = try ["10.1.9.9", "10.1.8.8", "127.0.0.1", "198.51.100.7", "2606:4700::9"].map {
            try #require(IPAddress($0))
        }
        let rules = BucketReach(
            opened: opened, hostAddresses: own, resolvers: [try #require(IPAddress("127.0.0.53"))]
        ).filter.rules
        func isAllowed(_ text: String, port: UInt16 = 443) throws -> Bool {
            let address = try #require(IPAddress(text))
            let rule = rules.first { rule in
                guard let of = IPAddress(bytes: rule.address), let range = AddressRange(of, prefix: rule.prefix) else {
                    return false
                }
                return range.contains(address) && (rule.port == nil || rule.port == port)
            }
            return rule?.isAllowed ?? true
        }
        for open in ["1.1.1.1", "10.1.2.3", "10.1.8.8", "127.0.0.1", "2606:4700::1"] {
            #expect(try isAllowed(open), "\(open)")
        }
        for closed in [
            "10.2.0.1", "127.0.0.2", "169.254.169.254", "100.100.100.200", "192.168.0.1", "::1", "::ffff:10.1.2.3",
            "fe80::1", "fd00:ec2::254", "0.0.0.0", "10.1.9.9", "198.51.100.7", "2606:4700::9",
        ] { #expect(try !isAllowed(closed), "\(closed)") }
        #expect(try isAllowed("127.0.0.53", port: 53))
        #expect(try !isAllowed("127.0.0.53"))
    }
}
