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

    @Test("an archive goes in and out as it is, and what it amounted to is told")
    func archives() async throws {
        try await withFront { front in
            let (_, path) = try await front.makeSandbox()
            for (compression, type) in [
                ("none", "application/x-tar"), ("gzip", "application/gzip"), ("zstd", "application/zstd"),
            ] {
                let put = try await front.ask(
                    "PUT", path + "/files/archive?path=/d&compression=\(compression)",
                    body: Array("archive".utf8), headers: ["Content-Type": type])
                let told = try put.json()
                #expect(put.status == 200 && told["sha256"] as? String == String(repeating: "0a", count: 32))
                #expect(told["size_bytes"] as? Int == 7 && told["left_out"] as? [String] == ["dev/null"])
                let got = try await front.ask("GET", path + "/files/archive?path=/d&compression=\(compression)")
                #expect(got.text == "archive" && got.headers["content-type"] == type)
            }
            let wrong = try await front.ask(
                "PUT", path + "/files/archive?path=/d", body: [1], headers: ["Content-Type": "application/gzip"])
            #expect(wrong.status == 415)
            #expect(try await front.ask("GET", path + "/files/archive?path=/d&compression=lzma").status == 400)
            let empty = try await front.ask("PUT", path + "/files/archive?path=/d", body: [])
            let detail = try #require(try empty.json()["detail"] as? String)
            #expect(empty.status == 400 && detail.hasSuffix("(it is empty)"), "what a sandbox says holds no controls")
            #expect(try empty.json()["reason"] as? String == "archive_invalid")
        }
    }

    @Test("changes come on lines, or as events, until what is watched is gone")
    func watching() async throws {
        try await withFront { front in
            let (_, path) = try await front.makeSandbox()
            #expect(try await front.ask("GET", path + "/files/watch?path=/d").status == 404)
            front.service.update { $0.files["/d"] = [] }
            let lines = try await front.ask("GET", path + "/files/watch?path=/d&recursive=true").text
            #expect(
                lines == """
                    {"kind":"watching"}
                    {"is_directory":true,"kind":"created","path":"a"}
                    {"is_directory":false,"kind":"renamed","new_path_base64":"/w==","path":"a"}
                    {"kind":"overflow"}

                    """)
            let events = try await front.ask(
                "GET", path + "/files/watch?path=/d", headers: ["Accept": "text/event-stream"])
            #expect(events.headers["content-type"] == "text/event-stream")
            #expect(events.text.hasPrefix("event: watching\ndata: {\"kind\":\"watching\"}\n\nevent: created\n"))
            #expect(events.text.contains("\n\n: \n\nevent: renamed\n"), "nothing new is said, too")
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
