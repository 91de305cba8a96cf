import Testing

@Suite("Images over REST")
struct ImageRouteTests {
    @Test("a pull is told line by line when that is asked for, and ends with the image")
    func streamed() async throws {
        try await withFront { front in
            let answer = try await front.ask(
                "POST", "/v1/images/pull", json: #"{"reference":"debian:12"}"#,
                headers: ["Accept": "application/x-ndjson"])
            #expect(answer.status == 200)
            let lines = answer.text.split(separator: "\n").map(String.init)
            #expect(lines.count == 3)
            #expect(lines[0].contains(#""event":"resolved""#) && lines[1].contains(#""state":"done""#))
            #expect(lines[2].contains(#""event":"image""#) && lines[2].contains("docker.io/library/debian:12"))
        }
    }

    @Test("what is done to all images isn't an image of that name")
    func fixedPaths() async throws {
        try await withFront { front in
            for (method, path) in [("GET", "pull"), ("DELETE", "import"), ("GET", "collect"), ("DELETE", "contexts")] {
                let answer = try await front.ask(method, "/v1/images/\(path)")
                #expect(answer.status == 405, "\(method) \(path)")
            }
            let image = try await front.ask("GET", "/v1/images/pull:latest")
            #expect(image.status == 200)
        }
    }

    @Test("a streamed pull that fails ends with its problem")
    func streamedFailure() async throws {
        try await withFront { front in
            let answer = try await front.ask(
                "POST", "/v1/images/pull", json: #"{"reference":"none"}"#, headers: ["Accept": "text/event-stream"])
            #expect(answer.status == 200)
            #expect(answer.text.hasPrefix("event: error\ndata: {"))
            #expect(answer.text.contains(#""code":"not_found""#))
        }
    }
}
