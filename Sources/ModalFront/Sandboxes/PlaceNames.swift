import SandboxModel

/// What Modal's clouds and regions are called: a mistake in a name is told, though all of them are this machine.
package enum PlaceNames {
    private static let clouds: Set = ["aws", "gcp", "oci", "auto"]
    /// Parts of the world, with which regions' names begin.
    private static let parts: Set = [
        "us", "eu", "ap", "uk", "ca", "me", "sa", "af", "mx", "il", "jp", "au", "asia", "northamerica", "southamerica",
        "europe", "australia", "africa",
    ]
    private static let mostBytes = 64

    /// Throws `invalidArgument` for a name of no cloud; none is named by the empty text.
    package static func check(cloud: String) throws(CordonError) {
        guard cloud.isEmpty || clouds.contains(cloud.lowercased()) else {
            throw .invalid(
                field: "cloud", value: String(cloud.prefix(mostBytes)), rule: "one of aws, gcp, oci and auto")
        }
    }

    /// Throws `invalidArgument` for what can't be a region: `us`, `us-east`, `us-east-1`, `us-ashburn-1`.
    package static func check(region: String) throws(CordonError) {
        let words = region.split(separator: "-", omittingEmptySubsequences: false)
        guard let part = words.first, parts.contains(String(part)), region.utf8.count <= mostBytes,
            words.allSatisfy({
                !$0.isEmpty && $0.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) }
            })
        else {
            throw .invalid(
                field: "region", value: String(region.prefix(mostBytes)),
                rule: "a part of the world and a place in it, such as us-east or us-east-1")
        }
    }
}
