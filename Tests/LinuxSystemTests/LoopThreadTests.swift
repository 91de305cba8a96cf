import CLinux
import Glibc
import LinuxSystem
import Synchronization
import Testing

@Suite("A thread with an event loop")
struct LoopThreadTests {
    private final class Log {
        var numbers: [Int] = []
    }

    @Test("does what many threads ask of it, each in its order, and none of it twice")
    func order() async throws {
        let thread = try LoopThread(name: "test-loop") { _ in Log() }
        await withTaskGroup(of: Void.self) { group in
            for client in 0..<8 {
                group.addTask {
                    for index in 0..<1000 { thread.perform { $0.numbers.append(client * 1000 + index) } }
                }
            }
        }
        let numbers = await withCheckedContinuation { done in
            thread.perform { done.resume(returning: $0.numbers) }
        }
        #expect(numbers.count == 8000)
        for client in 0..<8 {
            #expect(numbers.filter { $0 / 1000 == client } == Array(client * 1000..<(client + 1) * 1000))
        }
    }

    @Test("is woken by a single word after a long quiet")
    func quiet() async throws {
        let thread = try LoopThread(name: "test-loop") { _ in Log() }
        for _ in 0..<3 {
            try await Task.sleep(for: .milliseconds(50))
            await withCheckedContinuation { done in thread.perform { _ in done.resume() } }
        }
    }
}

@Suite("A socket in another network namespace")
struct NamespaceSocketTests {
    @Test("belongs to that namespace, and the thread that made it does not")
    func namespace() throws {
        let home = try #require(own())
        // Nothing is set up in the new namespace: its loopback interface is down.
        let child = childInNamespace()
        try #require(child > 0)
        defer {
            kill(child, SIGKILL)
            waitpid(child, nil, 0)
        }
        let other = Descriptor(owning: open("/proc/\(child)/ns/net", O_RDONLY | O_CLOEXEC))
        let here = Descriptor(owning: open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC))
        let made = Descriptor(owning: cordon_tcp_socket_in(other.raw, here.raw, AF_INET))
        try #require(made.raw >= 0)
        #expect(own() == home)
        #expect(cordon_connect_loopback(made.raw, AF_INET, 1) < 0)
        #expect(errno == ENETUNREACH)
        let near = Descriptor(owning: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        #expect(cordon_connect_loopback(near.raw, AF_INET, 1) < 0)
        #expect(errno == ECONNREFUSED)
    }

    /// The calling thread's network namespace.
    private func own() -> ino_t? {
        var status = stat()
        return stat("/proc/thread-self/ns/net", &status) == 0 ? status.st_ino : nil
    }

    private func childInNamespace() -> pid_t {
        let child = cordon_clone(UInt64(newNetwork), -1)
        if child == 0 {
            while true { pause() }
        }
        return child
    }

    /// CLONE_NEWNET, which is in no module of Swift's.
    private let newNetwork = 0x4000_0000
}
