import CordonAPI
import Foundation
import RESTFront
import SandboxModel
import Testing

@Suite("Files")
struct FileRouteTests {
    @Test("what is put is got again, whole and in ranges")
    func contents() async throws {
        try await withFront { front in
            let (_, path) = try await front.makeSandbox()
            let put = try await front.ask("PUT", path + "/files?path=/f", body: Array("0123456789".utf8))
            #expect(try put.json()["size_bytes"] as? Int == 10)
            let got = try await front.ask("GET", path + "/files?path=/f")
            #expect(got.text == "0123456789" && got.headers["content-length"] == "10")
            #expect(got.headers["cordon-file-mode"] == "0640")
            for (range, text, place) in [
                ("bytes=2-4", "234", "2-4"), ("bytes=8-", "89", "8-9"), ("bytes=-3", "789", "7-9"),
                ("bytes=5-100", "56789", "5-9"),
            ] {
                let part = try await front.ask("GET", path + "/files?path=/f", headers: ["Range": range])
                #expect(part.status == 206 && part.text == text, "\(range)")
                #expect(part.headers["content-range"] == "bytes \(place)/10")
            }
            for range in ["bytes=10-", "bytes=-0"] {
                #expect(try await front.ask("GET", path + "/files?path=/f", headers: ["Range": range]).status == 416)
            }
            for range in ["bytes=4-2", "lines=1-2", "bytes=1-2,4-5", "bytes=x-"] {
                let whole = try await front.ask("GET", path + "/files?path=/f", headers: ["Range": range])
                #expect(whole.status == 200 && whole.text == "0123456789", "\(range)")
            }
            #expect(try await eventually { front.service.update { $0.closedSessions } == 12 })
        }
    }

    @Test("an answer that can't be whole doesn't seem so")
    func shrinks() async throws {
        try await withFront { front in
            let (_, path) = try await front.makeSandbox()
            front.service.update { $0.files["/shrinks"] = [1, 2, 3] }
            await #expect(throws: (any Error).self) {
                let got = try await front.ask("GET", path + "/files?path=/shrinks")
                if got.body.count < 4 { throw CordonError(.dataLoss, "cut") }
            }
        }
    }

    @Test("a directory comes in pages; names that are no text come as bytes")
    func pages() async throws {
        try await withFront { front in
            let (_, path) = try await front.makeSandbox()
            let first = try await front.ask("GET", path + "/files/list?path=/&limit=2").json()
            let names = try #require(first["entries"] as? [[String: Any]])
            #expect(names.map { $0["name"] as? String } == ["a", "b"])
            let cursor = try #require(first["next_cursor"] as? String)
            let escaped = cursor.replacingOccurrences(of: "=", with: "%3D")
            let second = try await front.ask("GET", path + "/files/list?path=/&limit=2&cursor=\(escaped)").json()
            #expect((second["entries"] as? [[String: Any]])?.first?["name_base64"] as? String == "/w==")
            #expect(second["next_cursor"] == nil)
        }
    }
}
