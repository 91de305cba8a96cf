import Foundation
import SeccompPolicy

/// Every seccomp policy of this installation, compiled once.
struct SeccompPrograms {
    /// By name: the file's without `.json`.
    private(set) var programs: [String: [UInt8]] = [:]

    /// The policies that are built in, and those of a directory over them. Throws, with the place
    /// in the file, when one is wrong: a service with a wrong policy doesn't start.
    init(directory: String?) throws {
        try add("default", PackageResources.default_json)
        try add("strict", PackageResources.strict_json)
        guard let directory else { return }
        for file in try FileManager.default.contentsOfDirectory(atPath: directory) where file.hasSuffix(".json") {
            let content = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(file)"))
            try add(String(file.dropLast(5)), [UInt8](content))
        }
    }

    private mutating func add(_ name: String, _ json: [UInt8]) throws {
        let profile = try SeccompProfile(name: "\(name).json", json: String(decoding: json, as: UTF8.self))
        programs[name] = try profile.compile().bytes
    }
}
