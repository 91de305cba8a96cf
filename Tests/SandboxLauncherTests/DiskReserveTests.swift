import SandboxLauncher
import Testing

@Suite("The disk's reserve")
struct DiskReserveTests {
    private static let gibibyte: UInt64 = 1 << 30

    @Test(
        "what is left of it follows what is free, bytes or files, whichever is less",
        arguments: [
            (gibibyte, 0, 0, gibibyte, 100...100),
            (gibibyte / 2, 0, 0, gibibyte, 50...50), (0, 0, 0, gibibyte, 0...0),
            (4 * gibibyte, 1_000_000, 1_000_000, gibibyte, 400...400),
            (4 * gibibyte, 5000, 1_000_000, gibibyte, 50...50), (4 * gibibyte, 0, 1_000_000, gibibyte, 0...0),
            // A file system that tells of no files, or has hardly any, is judged by its bytes.
            (gibibyte, 3, 99, gibibyte, 100...100), (1, 0, 0, 1, 1...100),
        ] as [(UInt64, UInt64, UInt64, UInt64, ClosedRange<UInt64>)])
    func share(_ bytes: UInt64, _ files: UInt64, _ mostFiles: UInt64, _ reserve: UInt64, _ share: ClosedRange<UInt64>) {
        let left = DiskRoom(bytes: bytes, files: files, mostFiles: mostFiles).share(of: reserve)
        #expect(share.contains(left), "\(left)")
    }

    @Test("who has written is told by growth alone: what was removed or has ended is no one's writing")
    func growth() {
        #expect(DiskUse.ofDisk(5).growth(since: .ofDisk(3)) == 2)
        #expect(DiskUse.ofDisk(3).growth(since: .ofDisk(5)) == 0)
        #expect(DiskUse.ofProcesses([1: 10, 2: 5, 4: 7]).growth(since: .ofProcesses([1: 4, 2: 5, 3: 100])) == 13)
        #expect(DiskUse.ofProcesses([:]).growth(since: .ofProcesses([3: 100])) == 0)
    }
}
