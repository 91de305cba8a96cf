import Foundation
import ModalFront
import Testing

@Suite struct FileUploadTests {
    /// What is taken until the end.
    private func content(of upload: FileUpload) async throws -> String {
        var bytes: [UInt8] = []
        while let piece = try await upload.next() { bytes += piece }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("what was accepted before is passed over, and nothing is taken beyond it")
    func offsets() async throws {
        let upload = FileUpload()
        async let content = content(of: upload)
        try await upload.feed(Data("abc".utf8), at: 0, end: false)
        try await upload.feed(Data("bcde".utf8), at: 1, end: false)
        await #expect(throws: (any Error).self) { try await upload.feed(Data("x".utf8), at: 6, end: false) }
        try await upload.feed(Data("cde".utf8), at: 2, end: true)
        await #expect(throws: (any Error).self) { try await upload.feed(Data("f".utf8), at: 5, end: false) }
        #expect(try await content == "abcde")
        #expect(await upload.accepted == 5)
    }

    @Test(
        "a stream that is taken up again while calls of its broken connection still wait is written once",
        .timeLimit(.minutes(1)))
    func takenUpAgain() async throws {
        let upload = FileUpload()
        try await upload.feed(Data("abc".utf8), at: 0, end: false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { try await upload.feed(Data("defg".utf8), at: 3, end: false) } }
            group.addTask { try await upload.feed(Data("defgh".utf8), at: 3, end: false) }
            // Nothing is taken yet: they wait.
            try await Task.sleep(for: .milliseconds(50))
            async let content = content(of: upload)
            try await group.waitForAll()
            try await upload.feed(Data(), at: 8, end: true)
            #expect(try await content == "abcdefgh")
        }
    }
}
