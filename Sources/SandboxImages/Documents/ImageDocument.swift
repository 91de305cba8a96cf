import SandboxModel

/// An image's configuration as OCI and Docker write it.
package struct ImageDocument: Sendable, Hashable {
    /// What the layers are without compression, lowest first.
    package let diffIDs: [ContentDigest]
    package let config: ImageConfig

    /// Throws `unsupported` for an image of another platform, and for one that isn't of `layers` layers.
    package init(_ bytes: [UInt8], layers: Int) throws(RegistryError) {
        let fields = try JSONFields(bytes, what: "the image's configuration")
        let os = try fields.string("os") ?? "linux"
        let architecture = try fields.string("architecture") ?? HostPlatform.architecture
        guard os == "linux", architecture == HostPlatform.architecture else {
            throw .unsupported("it is for \(os)/\(architecture), and this machine is \(HostPlatform.name)")
        }
        guard let rootfs = try fields.object("rootfs") else { throw fields.wrong("rootfs") }
        var found: [ContentDigest] = []
        for text in try rootfs.strings("diff_ids") {
            guard let digest = ContentDigest(text) else { throw rootfs.wrong("diff_ids") }
            found.append(digest)
        }
        guard found.count == layers else {
            throw .unsupported("its configuration has \(found.count) layers and its manifest \(layers)")
        }
        diffIDs = found
        config = try Self.config(try fields.object("config"))
    }

    private static func config(_ fields: JSONFields?) throws(RegistryError) -> ImageConfig {
        var config = ImageConfig()
        guard let fields else { return config }
        config.environment = try environment(try fields.strings("Env"))
        config.workdir = try fields.string("WorkingDir").flatMap { $0.isEmpty ? nil : $0 }
        config.user = try fields.string("User").flatMap { $0.isEmpty ? nil : $0 }
        config.entrypoint = try fields.strings("Entrypoint")
        config.command = try fields.strings("Cmd")
        config.exposedPorts = try fields.keys("ExposedPorts")
        config.labels = try fields.pairs("Labels")
        config.shell = try fields.strings("Shell")
        do throws(CordonError) {
            try config.check()
        } catch { throw .unsupported("its configuration: \(error.message)") }
        return config
    }

    /// Variables whose names no sandbox's environment can have are left out.
    private static func environment(_ texts: [String]) throws(RegistryError) -> Environment {
        var variables: [String: String] = [:]
        for text in texts {
            let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2, (try? Environment([String(halves[0]): String(halves[1])])) != nil else { continue }
            variables[String(halves[0])] = String(halves[1])
        }
        do throws(CordonError) {
            return try Environment(variables)
        } catch { throw .unsupported("its configuration: \(error.message)") }
    }
}

extension ImageConfig {
    /// Throws `invalidArgument` where a value breaks a rule that sandboxes have.
    package func check() throws(CordonError) {
        if let workdir { try Workdir.check(workdir) }
        if let user {
            guard user.utf8.count <= 256, user.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
                throw .invalid(field: "User", value: user, rule: "at most 256 printable characters")
            }
        }
        for argv in [entrypoint, command, shell] where !argv.isEmpty { _ = try CommandSpec(argv: argv) }
    }
}
