import Foundation
import SandboxImages
import SandboxModel
import Testing

@Suite("Removing images and collecting layers")
struct CollectTests {
    @Test("layers go with the last image that stands on them, and not while something uses them")
    func layersGo() async throws {
        try await withLayout { layout, directory in
            let world = try StoreWorld(in: directory)
            let images = try await world.importLayout(layout)
            _ = try await world.store.remove(.id(images[0].id))
            #expect(try await world.store.collect().layers == 1)
            #expect(Set(try await world.machine.layers()) == Set(images[1].root.layers))

            _ = try await world.store.remove(.id(images[1].id))
            world.machine.with { $0.inUse = [images[1].root.layers[0]] }
            let collected = try await world.store.collect()
            #expect(collected.layers == 1 && collected.layersInUse == 1)
            #expect(try await world.machine.layers() == [images[1].root.layers[0]])
            world.machine.with { $0.inUse = [] }
            #expect(try await world.store.collect().layers == 1)
            #expect(try await world.machine.layers().isEmpty)
        }
    }

    @Test("an image is kept while a sandbox is being made from it, though it was removed meanwhile")
    func pinned() async throws {
        try await withLayout { layout, directory in
            let world = try StoreWorld(in: directory)
            let image = try await world.importLayout(layout)[0]
            try await world.store.withImage(.id(image.id)) { usable in
                #expect(usable.root == image.root)
                _ = try await world.store.remove(.id(image.id))
                _ = try await world.store.collect()
                #expect(Set(try await world.machine.layers()).isSuperset(of: image.root.layers))
            }
            await #expect(throws: CordonError.self) { try await world.store.withImage(.id(image.id)) { _ in } }
        }
    }

    @Test(
        "an image goes with its names when loss of power has torn a layer of it, and comes back when it is fetched anew"
    )
    func tornLayer() async throws {
        try await withLayout { layout, directory in
            let world = try StoreWorld(in: directory)
            let images = try await world.importLayout(layout)
            // Both stand on the first layer, the second image alone on this.
            let torn = try #require(images[1].root.layers.last)
            world.machine.with { $0.lost = [torn] }
            try await world.store.recover()
            #expect(try await world.store.image(.id(images[0].id)).id == images[0].id)
            await #expect(throws: CordonError.self) { try await world.store.image(.id(images[1].id)) }
            #expect(try await world.machine.lostLayers().isEmpty)
            try await world.store.recover()

            let again = try await world.importLayout(layout)
            #expect(again.map(\.id) == images.map(\.id))
            #expect(try await world.machine.layers().contains(torn))
        }
    }

    @Test("a name points to one image, and the image goes with its last name")
    func names() async throws {
        try await withLayout { layout, directory in
            let world = try StoreWorld(in: directory)
            let images = try await world.importLayout(layout)
            let (a, b) = (try ImageReference("a"), try ImageReference("b"))
            _ = try await world.catalog.images.save(images[0], names: [a, b])
            let moved = try await world.catalog.images.save(images[1], names: [b])
            #expect(moved.names == [b.description])
            #expect(try await world.store.image(.reference(a)).names == [a.description])
            #expect(try await world.store.remove(.reference(a)) == nil)
            await #expect(throws: CordonError.self) { try await world.store.image(.id(images[0].id)) }
            #expect(try await world.store.image(.reference(b)).id == images[1].id)
        }
    }

    @Test("images are listed newest first, page by page")
    func pages() async throws {
        try await withLayout { layout, directory in
            let world = try StoreWorld(in: directory)
            let images = try await world.importLayout(layout)
            let first = try await world.store.images(matching: ImageQuery(limit: 1))
            #expect(first.images.map(\.id) == [images[1].id])
            let second = try await world.store.images(matching: ImageQuery(before: first.next, limit: 1))
            #expect(second.images.map(\.id) == [images[0].id] && second.next == nil)
        }
    }

    @Test("images survive a restart of the service, and layers of a broken-off pull are collected")
    func restart() async throws {
        try await withLayout { layout, directory in
            let before = try StoreWorld(in: directory)
            let images = try await before.importLayout(layout)
            let stray = try #require(LayerName("c" + String(repeating: "0", count: 64)))
            try FileManager.default.createDirectory(
                atPath: before.machine.path(stray), withIntermediateDirectories: false)
            let part = directory + "/blobs/" + String(repeating: "0", count: 64) + ".part"
            try Data([1]).write(to: URL(fileURLWithPath: part))

            let after = try StoreWorld(in: directory)
            let collected = try await after.store.collect()
            #expect(collected.layers == 1 && collected.downloads == 1)
            for image in images { #expect(try await after.store.image(.id(image.id)) == image) }
            #expect(!(try await after.machine.layers()).contains(stray))
        }
    }
}
