import ServiceSupport
import Testing

/// Streams through Python's `requests`; the checks are in `Programs/streams.py` and `Programs/output.py`.
@Suite("Streams, byte for byte", .serialized, .timeLimit(.minutes(5)))
struct StreamTests {
    @Test("10 MB of random bytes go in through stdin and come back as they were")
    func echo() async throws { try await check("streams", "echo_of_ten_megabytes") }

    @Test("binary data stays what it is, in streams and in answers")
    func binary() async throws { try await check("streams", "binary_data") }

    @Test("logs tell stdout and stderr in the order in which they were written")
    func logs() async throws { try await check("streams", "merged_logs") }

    @Test("a reader that loses its connection again and again goes on by offset and misses nothing")
    func resume() async throws { try await check("streams", "resumed_in_mid_stream") }

    @Test("many readers of one stream each get all of it")
    func followers() async throws { try await check("streams", "many_followers_of_one_stream") }

    @Test("the end of a stream is told, beyond it is 416")
    func ends() async throws { try await check("streams", "ends_of_streams") }

    @Test("stdin takes bytes by offset, knows repeats, refuses gaps, and ends when it is told to")
    func stdin() async throws { try await check("streams", "stdin_by_offset") }

    @Test("a process that doesn't read its stdin holds back its writer and nobody else")
    func unreadStdin() async throws { try await check("streams", "stdin_that_nobody_reads") }

    @Test("100 execs at once in one sandbox each have their own output")
    func hundredExecs() async throws { try await check("streams", "a_hundred_execs_at_once") }

    @Test("200 sandboxes at once run, and are gone after they were terminated")
    func twoHundredSandboxes() async throws {
        try await withService { service in
            try await service.check("streams", "two_hundred_sandboxes_at_once")
            #expect(service.slots().allSatisfy { $0.sandbox.isEmpty })
        }
    }
}

@Suite("Output in bulk", .serialized, .timeLimit(.minutes(5)))
struct OutputTests {
    @Test("1 GB with a slow reader: nothing is dropped")
    func slowReader() async throws { try await check("output", "gigabyte_with_a_slow_reader") }

    @Test("a reader that was cut off while the spool is full comes back and finds everything", arguments: [64, 256])
    func cutOff(budget: Int) async throws {
        try await check("output", "cut_off_while_the_spool_is_full", service: ["--exec-spool-mib", "\(budget)"])
    }

    @Test("who reads page by page is waited for")
    func pages() async throws {
        try await check("output", "read_page_by_page", service: ["--exec-spool-mib", "16"])
    }

    @Test(
        "1 GB without a reader: the disk holds no more than the budget, and what is gone is counted",
        arguments: [16, 256])
    func noReader(budget: Int) async throws {
        try await check("output", "without_a_reader", ["\(budget)"], service: ["--exec-spool-mib", "\(budget)"])
    }

    @Test("with on_full drop nobody is waited for, and the reader is told what is missing")
    func drop() async throws {
        try await check("output", "dropped_under_a_reader", service: ["--exec-spool-mib", "16"])
    }

    @Test("a connection that takes nothing holds its process back for seconds only")
    func stalledReader() async throws {
        try await check("output", "reader_that_stops_reading", service: ["--exec-spool-mib", "16"])
    }

    @Test("output can be read after the exec's end, after a restart, and after the sandbox's end")
    func afterTheEnd() async throws {
        try await withService { service in
            let ids = try await service.check("output", "readable_to_the_end_and_beyond", ["begin"])
                .split(whereSeparator: \.isWhitespace).map(String.init)
            for phase in ["restarted", "end", "restarted again"] {
                service.killService()
                try await service.startService()
                try await service.check("output", "readable_to_the_end_and_beyond", [phase] + ids)
            }
        }
    }
}

/// The same service through curl; the checks are in `Programs/with_curl.py`.
@Suite("curl", .serialized, .timeLimit(.minutes(5)))
struct CurlTests {
    @Test("a sandbox's life, from create to terminate, in shell commands")
    func life() async throws { try await check("with_curl", "from_create_to_terminate") }

    @Test("10 MB of random bytes go in through stdin and come back as they were")
    func echo() async throws { try await check("with_curl", "ten_megabytes") }

    @Test("the end of a followed stream is in a trailer")
    func trailers() async throws { try await check("with_curl", "trailers_tell_the_end") }

    @Test("a transfer that was cut off goes on by offset")
    func resume() async throws { try await check("with_curl", "resumed_with_curl") }
}
