import Foundation
import ProgramSupport
import SandboxImages
import SandboxModel
import Synchronization
import Testing

@Suite("Building images")
struct BuildTests {
    /// Sends a directory as a context.
    private func context(_ directory: String, to world: StoreWorld) async throws -> BuildContextID {
        let archive = directory + ".tar"
        let made = try await HostProgram.result(of: "/bin/tar", ["-cf", archive, "-C", directory, "."])
        try #require(made.status == 0, "\(made.output)")
        let file = try #require(FileHandle(forReadingAtPath: archive))
        return try await world.store.addContext {
            let bytes = try file.read(upToCount: 65_536).map { [UInt8]($0) } ?? []
            return bytes.isEmpty ? nil : bytes
        }
    }

    private func directory(_ path: String, _ files: [String: String]) throws {
        for (name, text) in files {
            let file = "\(path)/\(name)"
            try FileManager.default.createDirectory(
                atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        }
    }

    /// All files that an image's layers have, without the directory.
    private func files(_ image: ImageRecord, _ world: StoreWorld) -> Set<String> {
        var found: Set<String> = []
        for layer in image.root.layers {
            for case let name as String in FileManager.default.enumerator(atPath: world.machine.path(layer)) ?? .init()
            {
                var isDirectory: ObjCBool = false
                _ = FileManager.default.fileExists(
                    atPath: world.machine.path(layer) + "/" + name, isDirectory: &isDirectory)
                if !isDirectory.boolValue { found.insert(name) }
            }
        }
        return found
    }

    @Test("steps make layers and a configuration; done again they are found, and what changed is done anew")
    func cached() async throws {
        try await withDirectory { top in
            let world = try StoreWorld(in: top)
            try directory(top + "/c", ["a.txt": "one", "d/b": "b", "skipped": "", ".dockerignore": "skipped\n"])
            let id = try await context(top + "/c", to: world)
            func order(_ names: [ImageReference] = []) -> BuildOrder {
                BuildOrder(
                    dockerfile: """
                        ARG BASE=scratch
                        FROM $BASE
                        ARG WHO=nobody
                        ENV GREETING="hello $WHO"
                        COPY . /src/
                        RUN echo "$GREETING" > made; echo said
                        LABEL a=$GREETING
                        ENTRYPOINT ["/run"]
                        CMD start
                        USER 5:6
                        EXPOSE 80
                        """, context: id, names: names, arguments: ["WHO": "you"])
            }
            let events = Mutex<[ImageEvent]>([])
            let image = try await world.store.build(order([try ImageReference("app")])) { event in
                events.withLock { $0.append(event) }
            }
            #expect(image.kind == .build && image.names == ["docker.io/library/app:latest"])
            #expect(files(image, world) == ["src/a.txt", "src/d/b", "src/.dockerignore", "made"])
            #expect(world.text("made", in: image.root.layers[1]) == "hello you\n")
            #expect(image.config.environment.variables == ["GREETING": "hello you"])
            #expect(image.config.labels == ["a": "hello you"] && image.config.user == "5:6")
            #expect(image.config.entrypoint == ["/run"] && image.config.command == ["/bin/sh", "-c", "start"])
            #expect(image.config.exposedPorts == ["80/tcp"])
            #expect(events.withLock { $0.contains(.log(Array("said\n".utf8))) })
            let runs = world.machine.with { $0.orders.count }
            #expect(runs == 1)

            #expect(try await world.store.build(order()) { _ in }.id == image.id)
            #expect(world.machine.with { $0.orders.count } == runs, "nothing was run again")

            try directory(top + "/c", ["a.txt": "two"])
            var changed = order()
            changed.context = try await context(top + "/c", to: world)
            let other = try await world.store.build(changed) { _ in }
            #expect(other.id != image.id && world.machine.with { $0.orders.count } == runs + 1)
            #expect(world.machine.with { $0.roots }.isEmpty, "no sandbox is left")
        }
    }

    @Test("a build that may pull fetches what it stands on and copies from, with a login of its own")
    func pulling() async throws {
        try await withLayout { layout, directory in
            try await withRegistry(of: layout, "whole") { port in
                let world = try StoreWorld(in: directory)
                var order = BuildOrder(
                    dockerfile: """
                        FROM base
                        COPY --from=127.0.0.1:\(port)/app:two /etc/base /copied
                        """)
                order.bases = ["base": .reference(try ImageReference("127.0.0.1:\(port)/app:one"))]
                order.login = RegistryLogin(user: "user", password: "password")
                #expect(await refusal { try await world.store.build(order) { _ in } }?.code == .notFound)
                order.pulls = true
                let image = try await world.store.build(order) { _ in }
                #expect(image.root.layers.count == 3)
                #expect(world.text("copied", in: image.root.layers[2]) == "base\n")
                #expect(image.config.workdir == "/srv")
                #expect(try await world.store.images(matching: ImageQuery()).images.count == 3)
            }
        }
    }

    @Test("a build's secrets are in the environment of its steps, in no image, and part of what a step is known by")
    func secrets() async throws {
        try await withDirectory { top in
            let world = try StoreWorld(in: top)
            func order(_ value: String, _ tag: String) throws -> BuildOrder {
                var order = BuildOrder(dockerfile: "FROM scratch\nENV A=1\nRUN echo $A $HIDDEN > made")
                order.secrets = BuildSecrets(environment: try Environment(["HIDDEN": value]), tag: tag)
                return order
            }
            let one = try await world.store.build(order("one", "1")) { _ in }
            #expect(world.text("made", in: one.root.layers[0]) == "1 one\n")
            #expect(one.config.environment.variables == ["A": "1"])
            #expect(try await world.store.build(order("one", "1")) { _ in }.id == one.id)
            #expect(world.machine.with { $0.orders.count } == 1)
            #expect(try await world.store.build(order("two", "2")) { _ in }.id != one.id)
        }
    }

    @Test("files are copied as Docker does: into directories, under another name, from stages, with patterns")
    func copied() async throws {
        try await withDirectory { top in
            let world = try StoreWorld(in: top)
            try directory(top + "/c", ["x/1.txt": "1", "x/2.txt": "2", "x/3.md": "3", "y": "y"])
            let order = BuildOrder(
                dockerfile: """
                    FROM scratch AS base
                    WORKDIR /w
                    COPY y renamed
                    COPY x/*.txt texts/
                    FROM scratch
                    COPY --from=base /w/renamed /w/texts/1.txt /got/
                    COPY --from=0 /w/texts /all
                    COPY --chmod=600 x/3.md /
                    COPY <<note /notes/
                    kept
                    note
                    """, context: try await context(top + "/c", to: world))
            let image = try await world.store.build(order) { _ in }
            #expect(
                files(image, world)
                    == ["got/renamed", "got/1.txt", "all/1.txt", "all/2.txt", "3.md", "notes/note"])
        }
    }

    @Test(
        "what fails is told with its line, and leaves no image",
        arguments: [
            (
                "FROM scratch\nRUN exit 3", "line 2 of the Dockerfile: RUN ended with status 3",
                ErrorCode.failedPrecondition
            ),
            ("FROM scratch\nCOPY none /", "line 2", .invalidArgument), ("FROM none", "there is no image", .notFound),
            ("FROM scratch\nCOPY ../x /", "line 2", .invalidArgument),
            ("FROM scratch\nENV A=${B:?no}", "line 2", .invalidArgument),
            ("FROM scratch\nUSER a b", "line 2", .invalidArgument),
            ("FROM scratch\nNOPE", "line 2, column 1", .invalidArgument),
            (
                "FROM scratch\nARG A=xxxxxxxxxxxxxxxx\n" + String(repeating: "ARG A=$A$A\n", count: 40),
                "1 MiB", .invalidArgument
            ),
            (
                "FROM scratch\nENV A=" + String(repeating: "x", count: 100_000) + "\nLABEL"
                    + (0..<40).map { " l\($0)=$A" }.joined(),
                "line 3", .invalidArgument
            ),
        ])
    func failures(text: String, message: String, code: ErrorCode) async throws {
        try await withDirectory { top in
            let world = try StoreWorld(in: top)
            try directory(top + "/c", ["y": "y"])
            let order = BuildOrder(dockerfile: text, context: try await context(top + "/c", to: world))
            let error = await refusal { try await world.store.build(order) { _ in } }
            #expect(error?.code == code && error?.message.contains(message) == true, "\(String(describing: error))")
            #expect(try await world.store.images(matching: ImageQuery()).images.isEmpty)
            #expect(world.machine.with { $0.roots }.isEmpty)
        }
    }

    @Test(
        "a .dockerignore leaves out what it names, and not what it takes back",
        arguments: [
            ("*.log", "a.log", true), ("*.log", "d/a.log", false), ("**/*.log", "d/e/a.log", true), ("d", "d/x", true),
            ("d\n!d/x", "d/x", false), ("# d", "d", false), ("/d/", "d/x", true), ("a?c", "abc", true),
            ("[a-c]x", "bx", true), ("[^a-c]x", "bx", false), ("d/**", "d/e/f", true), ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false), ("**/a/**/b", "a/b", true), ("**/a/**/b", "x/a/y/z/b/c", true),
            ("**/a/**/b", "x/a/y", false), ("**", "x", true), ("a*b*c", "aXbYbc", true), ("a*b*c", "aXbYb", false),
            ("*a*", "bab", true), ("a[", "a[", false),
            // Ways to read these are many more than a machine has time for, one by one.
            (String(repeating: "*a", count: 60) + "b", String(repeating: "a", count: 255), false),
            (String(repeating: "**/a/", count: 60) + "b", String(repeating: "a/", count: 250) + "c", false),
        ])
    func ignored(rules: String, path: String, isOut: Bool) { #expect(IgnoreRules(rules).leavesOut(path) == isOut) }
}
