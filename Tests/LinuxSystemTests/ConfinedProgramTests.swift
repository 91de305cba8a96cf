import CLinux
import Glibc
import LinuxSystem
import Testing

@Suite("A program of the host's without rights")
struct ConfinedProgramTests {
    /// Runs a Python program so; what it writes to its standard error.
    private func output(of script: String, user: uid_t = 1_879_048_190) throws -> String {
        var ends: [Int32] = [-1, -1]
        try #require(cordon_socketpair(Int32(SOCK_STREAM.rawValue), &ends) == 0)
        let reading = Descriptor(owning: ends[0])
        let writing = ends[1]
        let command = ["/usr/bin/python3", "-IBc", script]
        let words: [UnsafeMutablePointer<CChar>?] = command.map { (word: String) in strdup(word) } + [nil]
        defer { for word in words { free(word) } }
        let arguments = UnsafeMutableBufferPointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: words.count)
        defer { arguments.deallocate() }
        _ = arguments.initialize(from: words)
        let child = cordon_clone(cordon_program_namespaces, -1)
        if child == 0 {
            // No variables: the list is empty from its end on.
            cordon_exec_confined(
                words[0], arguments.baseAddress, arguments.baseAddress.map { $0 + command.count }, user, writing, -1)
            _exit(126)
        }
        close(writing)
        try #require(child > 0)
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(reading.raw, &piece, piece.count)
            guard count > 0 else { break }
            text += piece[..<count]
        }
        var status: Int32 = 0
        #expect(waitpid(child, &status, 0) == child && status == 0, "status \(status)")
        return String(decoding: text, as: UTF8.self)
    }

    @Test("it has sockets of TCP and UDP, which connect, and no others")
    func sockets() throws {
        let script = """
            import errno, itertools, socket, sys
            families = dict(unix=1, v4=2, v6=10, netlink=16, packet=17, rds=21, alg=38, vsock=40, xdp=44)
            for (name, family), kind, protocol in itertools.product(families.items(), range(1, 6), (0, 1, 6, 17, 33, 58, 132, 136, 262)):
                try:
                    socket.socket(family, kind, protocol).close()
                    print(name, kind, protocol, file=sys.stderr)
                except OSError as error:
                    assert error.errno in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT), (name, kind, protocol, error)
            one = socket.socket()
            one.bind(("127.0.0.1", 0))
            for attempt in one.listen, one.accept:
                try:
                    attempt()
                    print(attempt.__name__, file=sys.stderr)
                except PermissionError:
                    pass
            """
        let made = Set(try output(of: script).split(separator: "\n").map(String.init))
        #expect(
            made == ["v4 1 0", "v4 1 6", "v4 2 0", "v4 2 17", "v6 1 0", "v6 1 6", "v6 2 0", "v6 2 17"])
    }

    @Test("it is nobody, has nothing open but its words, and can't become anybody, trace, mount or make a namespace")
    func rights() throws {
        let script = """
            import ctypes, os, sys
            status = dict(line.split(":\\t", 1) for line in open("/proc/thread-self/status").read().splitlines() if ":\\t" in line)
            print(os.getresuid(), os.getresgid(), os.getgroups(), file=sys.stderr)
            print(*(status[key] for key in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")), file=sys.stderr)
            print(sorted(int(name) for name in os.listdir("/proc/thread-self/fd"))[:-1], file=sys.stderr)
            system = ctypes.CDLL(None, use_errno=True)
            def refused(name, *arguments):
                done = getattr(system, name)(*arguments)
                if done >= 0:
                    print(name, "is allowed", file=sys.stderr)
            refused("unshare", 0x10000000)
            refused("unshare", 0x00020000)
            refused("mount", b"none", b"/tmp", b"tmpfs", 0, None)
            refused("ptrace", 0, 0, 0, 0)
            refused("setuid", 0)
            refused("syscall", 425, 1, ctypes.create_string_buffer(256))
            refused("syscall", 321, 0, ctypes.create_string_buffer(128), 128)
            """
        let lines = try output(of: script).split(separator: "\n").map(String.init)
        let nobody = 1_879_048_190
        #expect(
            lines == [
                "(\(nobody), \(nobody), \(nobody)) (\(nobody), \(nobody), \(nobody)) []",
                "0000000000000000 0000000000000000 0000000000000000 0000000000000000 1 2",
                "[0, 1, 2]",
            ])
    }
}
