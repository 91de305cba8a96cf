import Foundation
import SandboxModel
import ServiceSupport
import Testing

/// Layers on the real kernel: what a sandbox wrote is what the next one sees.
@Suite("Layers", .serialized)
struct LayerTests {
    private static let changes = """
        mkdir -p /srv/a/b /opt/new
        echo one > /srv/a/b/one; ln /srv/a/b/one /srv/a/two; ln -s one /srv/a/b/link
        mkfifo /srv/fifo; chmod 620 /srv/fifo; chown 33:4 /srv/a/b/one; chmod 4751 /srv/a/b/one
        python3 - <<'P'
        import os, socket
        os.setxattr("/srv/a", "user.note", b"x" * 300)
        os.utime("/srv/a/b", ns=(1, 1234567890123456789))
        socket.socket(socket.AF_UNIX).bind("/srv/socket")
        with open("/srv/sparse", "wb") as f: f.seek(50 << 20); f.write(b"end")
        P
        rm /etc/motd /etc/nsswitch.conf 2> /dev/null || true
        rm -rf /etc/skel; mkdir /etc/skel; echo only > /etc/skel/mine
        mv /etc/apt /etc/renamed; echo more >> /etc/renamed/sources.list
        echo inside > /usr/share/note; rm /usr/bin/awk
        """
    /// What every observer should see of them.
    private static let look = """
        stat -c '%n %F %a %u %g %h %s' /srv/a /srv/a/b /srv/a/b/one /srv/a/two /srv/a/b/link /srv/fifo /srv/sparse
        stat -c '%y' /srv/a/b; cat /srv/a/two; readlink /srv/a/b/link; test /srv/a/two -ef /srv/a/b/one && echo same file
        python3 -c 'import os; print(len(os.getxattr("/srv/a", "user.note")), os.stat("/srv/sparse").st_blocks < 200)'
        ls -A /etc/skel; ls /etc/apt /etc/motd /etc/nsswitch.conf /usr/bin/awk 2>&1 | sort || true; ls /etc/renamed | sort; tail -1 /etc/renamed/sources.list
        cat /usr/share/note; sha256sum /srv/sparse; ls /srv/socket 2>&1 || true
        """

    @Test("what a sandbox wrote is kept whole when it ends, and copied whole while it runs")
    func keptAndCopied() async throws {
        try await withService { service in
            let machine = try MachineSide(service)
            try await machine.during {
                let first = try await machine.launch()
                try await machine.shell(Self.changes, in: first)
                let seen = try await machine.shell(Self.look, in: first).replacing("/srv/socket\n", with: "")
                #expect(seen.contains("same file") && seen.contains("300 True"), "\(seen)")

                let copied = try await machine.host.copy(first, path: nil, as: layer("s-copy"))
                #expect(copied.leftOut == ["srv/socket"] && copied.leftOutCount == 1, "\(copied)")
                #expect(copied.bytes < 2 << 20, "holes are no bytes: \(copied.bytes)")
                // It goes on.
                try await machine.shell("echo later > /srv/later", in: first)
                let kept = try await machine.host.keep(first, as: layer("s-kept"))
                #expect(kept.leftOut == ["srv/socket"] && kept.entries == copied.entries + 1, "\(kept) \(copied)")

                for name in ["s-copy", "s-kept"] {
                    let next = try await machine.launch(try RootImage.host.adding(layer(name)))
                    let shown = try await machine.shell(Self.look, in: next)
                        .replacing(/ls: cannot access '\/srv\/socket'.*\n/, with: "")
                    #expect(shown == seen, "\(name)")
                    #expect(
                        try await machine.shell("ls /srv/later 2>&1 || true", in: next).hasPrefix("ls")
                            == (name == "s-copy"))
                    try await machine.end(next)
                }
            }
        }
    }

    @Test("a copy of a layer's own changes stands on that layer, a hundred times over")
    func chain() async throws {
        try await withService { service in
            let machine = try MachineSide(service)
            try await machine.during {
                var root = RootImage.host
                for number in 0..<100 {
                    let id = try await machine.launch(root)
                    if number == 60 { try await machine.shell("cat /srv/n58 /srv/n59", in: id) }
                    try await machine.shell("echo \(number) > /srv/n\(number); rm -f /srv/n\(number - 3)", in: id)
                    let name = try layer("s-chain-\(number)")
                    if number % 2 == 0 {
                        _ = try await machine.host.keep(id, as: name)
                    } else {
                        _ = try await machine.host.copy(id, path: nil, as: name)
                        try await machine.end(id)
                    }
                    root = try root.adding(name)
                }
                let id = try await machine.launch(root)
                #expect(try await machine.shell("ls /srv | sort | tr '\\n' ' '", in: id) == "n97 n98 n99 ")
                #expect(try await machine.host.remove(root.layers + [layer("s-none")]) == root.layers)
                try await machine.end(id)
                #expect(try await machine.host.remove(root.layers).isEmpty)
                #expect(try await machine.host.layers().isEmpty)
                await #expect(throws: CordonError.self) { try await machine.launch(root) }
            }
        }
    }

    @Test("a directory is copied as the sandbox sees it, and is all there is of an image that stands on nothing")
    func ownRoot() async throws {
        try await withService { service in
            let machine = try MachineSide(service)
            try await machine.during {
                let id = try await machine.launch()
                try await machine.shell(
                    """
                    mkdir -p /tree/etc /tree/bin /tree/proc; ln -s /tree /link
                    for program in sh ls cat stat; do cp -L /bin/$program /tree/bin/; done
                    for library in $(ldd /bin/sh /bin/ls | grep -o '/[^ ]*' | grep -v ':$' | sort -u); do
                        mkdir -p /tree$(dirname $library); cp -L $library /tree$library; done
                    ln -s ../run/gone /tree/etc/resolv.conf; chown -R 7:8 /tree/etc
                    """, in: id)
                for path in ["/tree", "/link/.", "/../../link"] {
                    let name = try layer("d-\(path.count)")
                    let facts = try await machine.host.copy(id, path: FilePath(path), as: name)
                    #expect(facts.entries > 8)
                    let next = try await machine.launch(RootImage(base: .nothing, layers: [name]))
                    let root = try await machine.shell(
                        "ls /; stat -c '%u:%g %a' /etc; cat /etc/resolv.conf /etc/hostname", in: next)
                    #expect(root.hasPrefix("bin\ndev\netc\nlib"), "\(root)")
                    #expect(
                        root.contains("7:8 755") && root.contains("nameserver") && root.contains("\nsandbox\n"),
                        "\(root)")
                    // What the kernel shows in it isn't the sandbox's.
                    let whole = try layer("w-\(path.count)")
                    _ = try await machine.host.copy(next, path: FilePath("/"), as: whole)
                    let kept = service.dataDirectory + "/storage/layers/\(whole)/root/"
                    for directory in ["proc", "sys", "dev"] {
                        #expect(try FileManager.default.contentsOfDirectory(atPath: kept + directory).isEmpty)
                    }
                    #expect(FileManager.default.fileExists(atPath: kept + "bin/sh"))
                    try await machine.end(next)
                }
                for path in [
                    "/none", "/etc/passwd", "/proc", "/proc/1/root", "/proc/self/cwd", "/dev", "/dev/shm", "/sys",
                ] {
                    await #expect(throws: CordonError.self, "\(path)") {
                        try await machine.host.copy(id, path: FilePath(path), as: layer("d-no"))
                    }
                }
                try await machine.end(id)
            }
        }
    }

    @Test("an image that can't be mounted is refused, and nobody else waits for it")
    func unmountable() async throws {
        try await withService { service in
            let machine = try MachineSide(service)
            try await machine.during {
                let id = try await machine.launch()
                try await machine.shell("mkdir /tree; ln -s /etc /tree/proc", in: id)
                _ = try await machine.host.copy(id, path: FilePath("/tree"), as: layer("d-link"))
                for _ in 0..<5 {
                    await #expect(throws: CordonError.self) {
                        try await machine.launch(RootImage(base: .nothing, layers: [layer("d-link")]))
                    }
                    try await machine.end(try await machine.launch())
                }
                try await machine.end(id)
            }
        }
    }

    @Test("a launcher killed while it copies leaves no half layer, and no sandbox that stands still")
    func killedLauncher() async throws {
        try await withService { service in
            let machine = try MachineSide(service)
            let text = try await service.create()
            let id = try #require(SandboxID(text))
            _ = try await service.run(["sh", "-c", "for i in $(seq 3000); do echo $i > /srv/f$i; done"], in: text)
            try await machine.during {
                for attempt in 0..<5 {
                    async let copied = machine.host.copy(id, path: nil, as: layer("s-\(attempt)"))
                    try await Task.sleep(for: .milliseconds(Int.random(in: 1..<60)))
                    if let launcher = service.launcherPID { kill(launcher, SIGKILL) }
                    // Asked again of its successor.
                    #expect(try await copied.entries >= 3000)
                    let listed = try await service.run(["sh", "-c", "ls /srv | wc -l"], in: text)
                    #expect(listed.stdout == "3000\n")
                }
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: service.dataDirectory + "/storage/layers")
            #expect(names.sorted() == (0..<5).map { "s-\($0)" }, "\(names)")
        }
    }
}

/// Layers in sandboxes that run.
@Suite("Mounts", .serialized)
struct MountTests {
    @Test("layers are shown at a directory and taken away again, each sandbox with a writable layer of its own")
    func shownAndTakenAway() async throws {
        try await withService { service in
            let machine = try MachineSide(service)
            try await machine.during {
                let first = try await machine.launch()
                try await machine.shell(
                    "mkdir -p /tree/a; echo one > /tree/a/one; mkfifo /tree/pipe; chown -R 5:6 /tree/a", in: first)
                let name = try layer("d-tree")
                _ = try await machine.host.copy(first, path: FilePath("/tree"), as: name)
                let path = try FilePath("/mnt/shown")
                let second = try await machine.launch()
                for id in [first, second] {
                    try await machine.shell("mkdir -p /mnt/shown; echo below > /mnt/shown/below", in: id)
                    try await machine.host.mount(LayerMount(path: path, layers: [name]), in: id)
                }
                let look = "cd /mnt/shown; ls; cat a/one; stat -c '%u:%g' a/one; test -p pipe"
                for id in [first, second] {
                    #expect(try await machine.shell(look, in: id) == "a\npipe\none\n5:6\n")
                }
                try await machine.shell("echo mine > /mnt/shown/mine; rm /mnt/shown/a/one", in: first)
                #expect(try await machine.shell(look, in: second) == "a\npipe\none\n5:6\n")
                // Nobody meets through a FIFO of a layer.
                try await machine.shell("(timeout 2 sh -c 'echo hello > /mnt/shown/pipe' || true) & wait", in: first)
                #expect(try await machine.shell("timeout 1 cat /mnt/shown/pipe || true", in: second).isEmpty)
                // In use.
                try await machine.shell(
                    "(cd /mnt/shown && exec setsid sleep 100 > /dev/null 2>&1) & sleep 0.2", in: second)
                await #expect(throws: CordonError.self) { try await machine.host.unmount(path, in: second) }
                #expect(try await machine.host.remove([name]) == [name])
                try await machine.host.unmount(path, in: first)
                #expect(try await machine.shell("cat /mnt/shown/*", in: first) == "below\n")
                await #expect(throws: CordonError.self) { try await machine.host.unmount(path, in: first) }
                try await machine.end(second)
                // What holds it now is nobody's sandbox.
                #expect(try await machine.host.remove([name]).isEmpty)
                try await machine.end(first)
            }
        }
    }

    @Test("an empty directory, a read-only one, and those where nothing can be mounted")
    func kinds() async throws {
        try await withService { service in
            let machine = try MachineSide(service)
            try await machine.during {
                let id = try await machine.launch()
                try await machine.shell("mkdir -p /mnt/a /mnt/b; ln -s /mnt /link; ln -s /proc /kernel", in: id)
                try await machine.host.mount(LayerMount(path: FilePath("/mnt/a"), layers: []), in: id)
                try await machine.host.mount(
                    LayerMount(path: FilePath("/link/b"), layers: [], isReadOnly: true), in: id)
                let tried = try await machine.shell(
                    "echo x > /mnt/a/x; cat /mnt/a/x; (echo x > /mnt/b/x) 2>&1 || true", in: id)
                #expect(tried.hasPrefix("x\n") && tried.contains("Read-only file system"), "\(tried)")
                for path in [
                    "/", "/mnt/a", "/none", "/etc/passwd", "/proc", "/proc/self", "/kernel/self", "/dev", "/sys",
                    "/mnt/../mnt/b", "/mnt//b",
                ] {
                    await #expect(throws: CordonError.self, "\(path)") {
                        try await machine.host.mount(LayerMount(path: FilePath(path), layers: []), in: id)
                    }
                }
                // A path that leads elsewhere by now takes nothing else away.
                try await machine.shell("mv /link /old; ln -s / /link; mkdir -p /b", in: id)
                await #expect(throws: CordonError.self) { try await machine.host.unmount(FilePath("/link/b"), in: id) }
                try await machine.shell("rm /link; ln -s /mnt /link", in: id)
                try await machine.host.unmount(FilePath("/link/b"), in: id)
                try await machine.end(id)
            }
        }
    }
}
