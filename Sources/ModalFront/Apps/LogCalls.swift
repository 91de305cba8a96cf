import Foundation
import FrontConnections
import GRPCCore
import ModalProtocol
import NIOPosix
import SandboxModel
import SwiftProtobuf

/// What sandboxes' main commands have written, with times: of one sandbox, or of an app's newest.
struct LogCalls: Sendable {
    private static let mostEntries = 10_000
    /// As many as are kept of one sandbox.
    private static let mostOfSandbox = 65_536
    /// Of an app, those that were created last.
    private static let mostSandboxes = 1000
    /// What is being written right now may be noted in another order than that of its times.
    private static let settling = Duration.milliseconds(200)
    /// Of all entries of an answer.
    private static let mostBytes = 16 << 20
    private static let longestHold = 55.0
    private static let pause = Duration.milliseconds(500)
    private static let mostBuckets = 10_000
    /// What an entry takes in memory, and a little more.
    private static let entryBytes = 96

    /// What all calls hold of logs at a time.
    private let room = Places(256 << 20)

    func add(to table: inout CallTable) {
        table.unary("AppFetchLogs", fetch)
        table.unary("AppCountLogs", count)
        table.stream("AppGetLogs", follow)
    }

    /// One entry, and where it is from.
    private struct Entry: Sendable {
        var sandbox: SandboxID
        var entry: LogEntry
    }

    /// The entries of what a request names, oldest first; those at `until` are of the span that follows.
    private func entries(
        app: String, sandbox: String, task: String, since: Timestamp?, until: Timestamp?,
        of source: ModalFileDescriptor, holding held: HeldBytes,
        _ call: Call
    ) async throws -> [Entry] {
        let ids: [SandboxID]
        if !sandbox.isEmpty {
            ids = [try call.sandboxID(sandbox)]
        } else if !task.isEmpty {
            ids = [try call.sandbox(ofTask: task)]
        } else {
            let query = SandboxQuery(app: try await AppCalls.app(app, call).name, limit: Self.mostSandboxes)
            ids = try await call.service.sandboxes(matching: query).sandboxes
                .filter { $0.mayHaveWritten(since: since) }.map(\.id)
        }
        var found: [Entry] = []
        for id in ids {
            let entries: [LogEntry]
            do {
                guard try await call.service.sandbox(id).spec.command != nil else { continue }
                entries = try await call.service.log(
                    of: .main, in: id, since: since, until: until.map { Timestamp(microseconds: $0.microseconds - 1) },
                    limit: Self.mostOfSandbox)
            } catch let error as CordonError where error.code == .notFound && sandbox.isEmpty && task.isEmpty {
                // Forgotten since the app's were listed.
                continue
            }
            found += entries.lazy.filter { Self.matches($0, source) }.map { Entry(sandbox: id, entry: $0) }
            try held.resize(to: found.count * Self.entryBytes)
            guard found.count < Self.mostOfSandbox * 2 else { break }
        }
        return found.sorted { $0.entry.at < $1.entry.at }
    }

    private static func matches(_ entry: LogEntry, _ source: ModalFileDescriptor) -> Bool {
        switch source {
        case .stdout: entry.stream == .stdout
        case .stderr: entry.stream == .stderr
        case .info: false
        case .unspecified, .UNRECOGNIZED: true
        }
    }

    // MARK: Calls

    /// The newest entries of a span, as many as are asked for.
    @Sendable private func fetch(
        _ request: ModalAppFetchLogsRequest, _ call: Call
    ) async throws -> ModalAppFetchLogsResponse {
        let limit = request.limit == 0 ? Self.mostEntries : min(Int(request.limit), Self.mostEntries)
        let held = HeldBytes(in: room)
        let all = try await entries(
            app: request.appID, sandbox: request.sandboxID, task: request.taskID,
            since: request.hasSince ? Timestamp(request.since) : nil,
            until: request.hasUntil ? Timestamp(request.until) : nil, of: request.source, holding: held, call)
        var answer = ModalAppFetchLogsResponse()
        var bytes = 0
        for entry in all.reversed() {
            guard answer.batches.count < limit else { break }
            try Task.checkCancellation()
            guard let log = try await text(of: entry, call) else { continue }
            guard request.searchText.isEmpty || log.data.contains(request.searchText) else { continue }
            bytes += log.data.utf8.count
            guard bytes <= Self.mostBytes else { break }
            try held.resize(to: (all.count + answer.batches.count) * Self.entryBytes + bytes)
            answer.batches.append(Self.batch(entry, log))
        }
        answer.batches.reverse()
        return answer
    }

    @Sendable private func count(
        _ request: ModalAppCountLogsRequest, _ call: Call
    ) async throws -> ModalAppCountLogsResponse {
        guard request.bucketSecs > 0 else {
            throw CordonError.invalid(field: "bucket_secs", value: "0", rule: "at least 1")
        }
        let held = HeldBytes(in: room)
        defer { withExtendedLifetime(held) {} }
        let all = try await entries(
            app: request.appID, sandbox: request.sandboxID, task: request.taskID,
            since: Timestamp(request.since), until: Timestamp(request.until), of: request.source,
            holding: held, call)
        var counts: [Int64: (out: UInt64, err: UInt64)] = [:]
        let width = Int64(request.bucketSecs) * 1_000_000
        let start = Timestamp(request.since).microseconds
        for entry in all {
            let bucket = (entry.entry.at.microseconds - start) / width
            if entry.entry.stream == .stdout {
                counts[bucket, default: (0, 0)].out += 1
            } else {
                counts[bucket, default: (0, 0)].err += 1
            }
        }
        return .with { answer in
            answer.appID = request.appID
            answer.buckets = counts.sorted { $0.key < $1.key }.prefix(Self.mostBuckets).map { bucket, count in
                .with {
                    $0.bucketStartAt = Google_Protobuf_Timestamp(microseconds: start + bucket * width)
                    $0.stdoutLogs = count.out
                    $0.stderrLogs = count.err
                }
            }
        }
    }

    /// Entries as they come, for as long as the client asks; a batch's id is the time of its entry.
    @Sendable private func follow(
        _ request: ModalAppGetLogsRequest, _ call: Call, _ writer: RPCWriter<ModalTaskLogsBatch>
    ) async throws {
        let hold = min(max(0, Double(request.timeout)), Self.longestHold)
        let deadline = ContinuousClock.now + .milliseconds(Int64(hold * 1000))
        var last = min(max(0, Int64(request.lastEntryID) ?? Timestamp.now().microseconds), Timestamp.last.microseconds)
        while true {
            let held = HeldBytes(in: room)
            let new = try await entries(
                app: request.appID, sandbox: request.sandboxID, task: request.taskID,
                since: Timestamp(microseconds: last + 1),
                until: Timestamp(microseconds: Timestamp.now().microseconds - Self.settling.microseconds),
                of: request.fileDescriptor, holding: held, call)
            for entry in new {
                last = max(last, entry.entry.at.microseconds)
                guard let log = try await text(of: entry, call) else { continue }
                try await writer.write(Self.batch(entry, log))
            }
            // Only now: until they are written, all of them are here.
            try held.resize(to: 0)
            guard deadline > .now else { return }
            try await Task.sleep(for: Self.pause)
        }
    }

    // MARK: Text

    /// What an entry says; nil where its bytes are gone.
    private func text(of entry: Entry, _ call: Call) async throws -> ModalTaskLogs? {
        let stream = entry.entry.stream
        let reader = try await call.service.output(stream, of: .main, in: entry.sandbox)
        let (offset, most) = (entry.entry.offset, min(Int(entry.entry.length), call.front.pieceBytes))
        let data = try await NIOThreadPool.singleton.runIfActive { () -> Data? in
            var data = Data(count: most)
            let read = try data.withUnsafeMutableBytes { try reader.read(at: offset, into: $0) }
            guard case .bytes(let count) = read else { return nil }
            data.count = min(count, most)
            return data
        }
        await reader.close()
        guard let data else { return nil }
        return .with {
            $0.data = String(decoding: data, as: UTF8.self)
            $0.timestamp = entry.entry.at.inSeconds
            $0.timestampNs = UInt64(max(0, entry.entry.at.microseconds)) * 1000
            $0.fileDescriptor = stream == .stderr ? .stderr : .stdout
        }
    }

    private static func batch(_ entry: Entry, _ log: ModalTaskLogs) -> ModalTaskLogsBatch {
        .with {
            $0.taskID = TaskID(entry.sandbox).description
            $0.sandboxID = entry.sandbox.text
            $0.entryID = "\(entry.entry.at.microseconds)"
            $0.items = [log]
        }
    }
}

extension SandboxSnapshot {
    fileprivate func mayHaveWritten(since: Timestamp?) -> Bool {
        guard let since, case .ended(let ending) = status else { return true }
        return ending.at >= since
    }
}

extension Timestamp {
    /// Far from where sums and differences of times leave their type.
    fileprivate static let last = Timestamp(microseconds: 4_000_000_000_000_000)

    /// A client's time, brought between 1970 and a far future.
    fileprivate init(_ time: Google_Protobuf_Timestamp) {
        let seconds = max(0, min(time.seconds, Self.last.microseconds / 1_000_000))
        self.init(microseconds: max(0, seconds * 1_000_000 + Int64(time.nanos) / 1000))
    }
}

extension Google_Protobuf_Timestamp {
    fileprivate init(microseconds: Int64) {
        self.init(seconds: microseconds / 1_000_000, nanos: Int32(microseconds % 1_000_000) * 1000)
    }
}
