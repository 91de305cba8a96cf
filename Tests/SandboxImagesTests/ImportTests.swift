import Foundation
import ProgramSupport
import SandboxImages
import SandboxModel
import Testing

@Suite("Importing archives")
struct ImportTests {
    @Test("an OCI layout's images are taken, compressed or not")
    func layout() async throws {
        try await withLayout { layout, directory in
            for (name, flags) in [("plain", "-cf"), ("gzip", "-czf")] {
                let world = try StoreWorld(in: "\(directory)/\(name)")
                let images = try await world.importLayout(layout, tar: flags)
                #expect(images.count == 2 && images.allSatisfy { $0.kind == .archive })
                #expect(images[0].root.layers[0] == images[1].root.layers[0])
                #expect(world.text("etc/two", in: images[1].root.layers[1]) == "two\n")
                #expect(world.machine.with { $0.roots }.isEmpty, "no sandbox is left")
            }
        }
    }

    @Test("what skopeo writes as docker save does is taken with its names, and is the same image")
    func dockerSave() async throws {
        try await withLayout { layout, directory in
            let world = try StoreWorld(in: directory)
            let archive = directory + "/saved.tar"
            let saved = try await HostProgram.result(
                of: "/usr/bin/skopeo",
                ["copy", "--insecure-policy", "oci:\(layout):one", "docker-archive:\(archive):team/app:1"])
            try #require(saved.status == 0, "\(saved.output)")
            let images = try await world.importFile(archive)
            #expect(images.map(\.names) == [["docker.io/team/app:1"]])
            #expect(images[0].config.workdir == "/srv")
            #expect(world.text("etc/one", in: images[0].root.layers[1]) == "one\n")
            let renamed = try await world.importFile(archive, names: [try ImageReference("other")])
            #expect(renamed[0].id == images[0].id)
            #expect(renamed[0].names == ["docker.io/library/other:latest", "docker.io/team/app:1"])
        }
    }

    @Test("an archive that isn't whole, lies, or leads outside is refused and leaves nothing")
    func refused() async throws {
        try await withLayout { layout, directory in
            let index = try String(contentsOfFile: layout + "/index.json", encoding: .utf8)
            let largest = try await HostProgram.result(
                of: "/bin/sh", ["-c", "ls -S '\(layout)/blobs/sha256' | head -n 1"])
            let blob = layout + "/blobs/sha256/" + largest.output.trimmingCharacters(in: .newlines)
            let content = try #require(FileManager.default.contents(atPath: blob))
            let changes: [(String, String)] = [
                ("rm index.json oci-layout", "printf '%s' \"$INDEX\" > index.json; touch oci-layout"),
                ("echo '[]' > index.json", "printf '%s' \"$INDEX\" > index.json"),
                ("printf x >> '\(blob)'", "truncate -s -1 '\(blob)'"), ("rm '\(blob)'", "true"),
            ]
            for (number, (damage, repair)) in changes.enumerated() {
                let world = try StoreWorld(in: "\(directory)/\(number)")
                _ = try await HostProgram.result(of: "/bin/sh", ["-c", "cd '\(layout)'; INDEX='\(index)'; \(damage)"])
                await #expect(throws: CordonError.self, "\(damage)") { try await world.importLayout(layout) }
                #expect(try await world.store.images(matching: ImageQuery()).images.isEmpty)
                #expect(world.machine.with { $0.roots }.isEmpty)
                _ = try await HostProgram.result(of: "/bin/sh", ["-c", "cd '\(layout)'; INDEX='\(index)'; \(repair)"])
            }
            try content.write(to: URL(fileURLWithPath: blob))
            #expect(try await StoreWorld(in: directory + "/whole").importLayout(layout).count == 2)

            let hostile = directory + "/hostile"
            try FileManager.default.createDirectory(atPath: hostile, withIntermediateDirectories: false)
            try Data(#"[{"Config":"../../etc/passwd","RepoTags":[],"Layers":[]}]"#.utf8).write(
                to: URL(fileURLWithPath: hostile + "/manifest.json"))
            await #expect(throws: CordonError.self) {
                try await StoreWorld(in: directory + "/h").importLayout(hostile)
            }
        }
    }
}

extension StoreWorld {
    /// Imports a directory as a tar of it.
    func importLayout(_ layout: String, tar flags: String = "-cf") async throws -> [ImageRecord] {
        let archive = directory + "/layout-\(UUID().uuidString).tar"
        let made = try await HostProgram.result(of: "/bin/tar", [flags, archive, "-C", layout, "."])
        guard made.status == 0 else { throw CordonError(.internal, made.output) }
        return try await importFile(archive)
    }

    func importFile(_ path: String, names: [ImageReference] = []) async throws -> [ImageRecord] {
        guard let file = FileHandle(forReadingAtPath: path) else { throw CordonError(.internal, path) }
        return try await store.importArchive(
            names: names, report: { _ in },
            next: {
                let bytes = try file.read(upToCount: 65_536).map { [UInt8]($0) } ?? []
                return bytes.isEmpty ? nil : bytes
            })
    }
}
