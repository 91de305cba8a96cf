import SandboxModel
import ShimProtocol
import Testing

/// A generator whose sequence a seed gives.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}

/// Messages with every field filled, at random.
enum RandomMessages {
    static func text(_ generator: inout SeededGenerator) -> String {
        String(
            (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                "aé€𝄞\u{0}/=".randomElement(using: &generator) ?? "x"
            })
    }

    static func start(_ g: inout SeededGenerator) -> StartExec {
        StartExec(
            id: ExecID("x-\(UInt32.random(in: 0...9999, using: &g))") ?? .main,
            argv: (0...Int.random(in: 0...4, using: &g)).map { _ in text(&g) },
            environment: (0..<Int.random(in: 0...4, using: &g)).map { _ in text(&g) }, workdir: text(&g),
            user: text(&g),
            timeout: Bool.random(using: &g) ? .microseconds(Int64.random(in: 0...Int64.max, using: &g)) : nil,
            onFull: Bool.random(using: &g) ? .drop : .pause, stdout: Bool.random(using: &g) ? .discard : .keep,
            stderr: Bool.random(using: &g) ? .discard : .keep, stdin: Bool.random(using: &g),
            terminal: Bool.random(using: &g)
                ? try? TerminalSize(
                    rows: .random(in: 1...65_535, using: &g), columns: .random(in: 1...65_535, using: &g))
                : nil)
    }

    static func state(_ g: inout SeededGenerator) -> ExecState {
        let ending = Ending(
            EndingReason.allCases.randomElement(using: &g) ?? .exited, exitCode: Int.random(in: 0...255, using: &g),
            signal: nil, waitStatus: Int32.random(in: 0...Int32.max, using: &g), detail: "d" + text(&g),
            at: Timestamp(microseconds: Int64.random(in: 0...Int64.max, using: &g)))
        return ExecState(
            id: .main, startedAt: Timestamp(microseconds: Int64.random(in: 0...Int64.max, using: &g)),
            ending: Bool.random(using: &g) ? ending : nil)
    }

    static func assignment(_ g: inout SeededGenerator) -> Assignment {
        Assignment(
            id: SandboxID.mint(),
            limits: LaunchLimits(
                memoryBytes: .random(in: 0...UInt64.max, using: &g), cpuMillicores: 7, cpuWeightMillicores: 8, pids: 9),
            hostname: text(&g), timeout: .seconds(3), idleTimeout: Bool.random(using: &g) ? .zero : nil,
            seccomp: (0..<Int.random(in: 0...64, using: &g)).map { _ in UInt8.random(in: 0...255, using: &g) },
            main: Bool.random(using: &g) ? start(&g) : nil)
    }
}

@Suite("What crosses between the programs")
struct WireTests {
    /// Decodes what was encoded and encodes it again: the same bytes.
    private func goesRound<Body: Message>(_ message: Body) throws {
        var assembler = FrameAssembler()
        let bytes = Frame.bytes(message, request: 77)
        assembler.append(bytes)
        let frame = try #require(try assembler.next())
        #expect(frame.request == 77)
        #expect(Frame.bytes(try frame.decode(Body.self), request: 77) == bytes)
        #expect(try assembler.next() == nil)
    }

    @Test("every message comes out as it went in", arguments: 0..<100)
    func roundTrips(_ seed: UInt64) throws {
        var g = SeededGenerator(seed: seed)
        let id = SandboxID.mint()
        let state = RandomMessages.state(&g)
        try goesRound(RandomMessages.start(&g))
        try goesRound(state)
        try goesRound(RandomMessages.assignment(&g))
        try goesRound(Launch(RandomMessages.assignment(&g), root: .host))
        let layers = (0..<Int.random(in: 0..<9, using: &g)).compactMap { LayerName("c\($0)-9") }
        try goesRound(Launch(RandomMessages.assignment(&g), root: try RootImage(base: .nothing, layers: layers)))
        try goesRound(KeepLayer(id: id, layer: layers.first ?? LayerName("a")!))
        try goesRound(CopyLayer(id: id, path: "/a b", layer: LayerName("s-1")!))
        try goesRound(LayerMade(LayerFacts(bytes: .max, entries: 1, leftOut: ["a/b"], leftOutCount: 2)))
        try goesRound(LayerList(layers, lost: Array(layers.prefix(2))))
        let path = try FilePath("/a b")
        let mounts = [
            LayerMount(path: path, layers: layers),
            LayerMount(path: path, layers: [], isReadOnly: true, isVolume: true, subPath: try VolumePath("c/d")),
        ]
        try goesRound(Launch(RandomMessages.assignment(&g), root: .host, mounts: mounts))
        let bucket = BucketMount(
            bucket: try BucketName("abc"), path: path, prefix: try KeyPrefix("g/h"),
            endpoint: try BucketEndpoint("https://[::1]:1"), region: try BucketRegion("auto"), isReadOnly: true)
        let keys = try BucketCredentials(keyID: "a", secretKey: "b/c+d=", sessionToken: nil, field: "secrets")
        try goesRound(
            Launch(
                RandomMessages.assignment(&g), root: .host,
                buckets: [BucketOrder(bucket, credentials: keys), BucketOrder(bucket, credentials: nil)]))
        try goesRound(MountLayers(id: id, mount: mounts[1]))
        for published in [nil, LayerName("v1")] {
            try goesRound(
                CommitVolume(
                    VolumeCommitOrder(
                        sandbox: id, path: path, head: layers, published: published, layer: LayerName("v2")!,
                        isAwaited: published != nil)))
            try goesRound(ReloadVolume(id: id, path: path, published: published, layers: layers))
        }
        for facts in [nil, LayerFacts(bytes: 1, entries: 2)] { try goesRound(VolumeCommitted(facts)) }
        try goesRound(VolumeReloaded(isDone: true))
        try goesRound(LeftWritesList([LeftWrites(sandbox: id, path: path)]))
        try goesRound(ReleaseWrites(LeftWrites(sandbox: id, path: path)))
        try goesRound(MergeLayers(layers, as: LayerName("v3")!))
        let assigned = Assigned(startedAt: state.startedAt, deadline: state.startedAt, main: state)
        try goesRound(assigned)
        try goesRound(Launched(slot: "m0", assigned: assigned))
        try goesRound(ShimStatus(id: id, startedAt: state.startedAt, deadline: state.startedAt, execs: [state, state]))
        try goesRound(InventoryList(items: [InventoryItem(id: id, slot: "m1"), InventoryItem(id: id, slot: "")]))
        try goesRound(WriteStdin(exec: .main, offset: .max, end: true, limit: .seconds(1), bytes: [1, 2, 3]))
        try goesRound(Watch(exec: .main, stream: .stderr, reader: .max, offset: 5, limit: .zero))
        try goesRound(Extent(extent: StreamExtent(first: 1, end: .max, closed: true)))
        try goesRound(StdinProgress(state: StdinState(accepted: .max, closed: false)))
        try goesRound(Failure(.outOfRange, RandomMessages.text(&g), number: .max))
        for change in [IdleTimeoutChange.keep, .remove, .set(.seconds(4))] {
            try goesRound(SetDeadlines(timeout: .seconds(1), idleTimeout: change))
        }
        try goesRound(StartTerminalExec(RandomMessages.start(&g)))
        try goesRound(Resize(exec: .main, size: .standard))
        try goesRound(Hello())
        try goesRound(Done())
    }

    @Test("a message that is cut short anywhere is refused, and reads nothing beyond", arguments: 0..<50)
    func truncations(_ seed: UInt64) throws {
        var g = SeededGenerator(seed: seed)
        let assignment = RandomMessages.assignment(&g)
        let record = assignment.record
        // Where messages of older versions end: before the network, and before that the terminal.
        let network = assignment.network.record.count
        let older = [
            record.count - network,
            assignment.main.map { record.count - network - ($0.terminal == nil ? 1 : 5) },
        ]
        for length in 0..<record.count where !older.contains(length) {
            #expect(throws: WireError.self) { _ = try Assignment(record: Array(record[..<length])) }
        }
    }

    @Test("an older launcher's command, which knows of no terminal, gets none")
    func olderCommand() throws {
        var g = SeededGenerator(seed: 1)
        var start = RandomMessages.start(&g)
        start.terminal = nil
        #expect(try StartExec(record: Array(start.record.dropLast())).record == start.record)
    }

    @Test("fields that a newer version adds at the end are ignored", arguments: 0..<20)
    func newerFields(_ seed: UInt64) throws {
        var g = SeededGenerator(seed: seed)
        let assignment = RandomMessages.assignment(&g)
        let state = RandomMessages.state(&g)
        let more = (0..<Int.random(in: 1...40, using: &g)).map { _ in UInt8.random(in: 0...255, using: &g) }
        #expect(try Assignment(record: assignment.record + more).record == assignment.record)
        #expect(try ExecState(record: state.record + more) == state)
    }

    @Test("random bytes and flipped bits are an error or a message, never more", arguments: 0..<200)
    func noise(_ seed: UInt64) {
        var g = SeededGenerator(seed: seed)
        var record = RandomMessages.assignment(&g).record
        for _ in 0..<Int.random(in: 1...8, using: &g) {
            record[Int.random(in: 0..<record.count, using: &g)] ^= 1 << UInt8.random(in: 0...7, using: &g)
        }
        _ = try? Assignment(record: record)
        let noise = (0..<Int.random(in: 0...200, using: &g)).map { _ in UInt8.random(in: 0...255, using: &g) }
        _ = try? Assignment(record: noise)
        _ = try? ShimStatus(record: noise)
        _ = try? InventoryList(record: noise)
        _ = try? SetDeadlines(record: noise)
        _ = try? ProcessIdentity(record: noise)
    }

    @Test("a list that claims four billion members costs an error and no memory")
    func lyingCount() {
        #expect(throws: WireError.self) { _ = try InventoryList(record: [0xff, 0xff, 0xff, 0xff]) }
        #expect(throws: WireError.self) { _ = try InventoryList(record: [0xff, 0xff, 0xff, 0xff, 1, 2, 3]) }
    }

    @Test("a text that isn't UTF-8 is refused")
    func notText() {
        var reader = WireReader([2, 0, 0, 0, 0xc3, 0x28])
        #expect(throws: WireError.self) { _ = try reader.string() }
    }
}

@Suite("Cutting a byte stream into frames")
struct FrameAssemblerTests {
    @Test("frames come out whole however the bytes arrive", arguments: 0..<30)
    func pieces(_ seed: UInt64) throws {
        var g = SeededGenerator(seed: seed)
        let sent = (0..<200).map { number in
            Failure(.internal, String(repeating: "x", count: Int.random(in: 0...3000, using: &g)), number: number)
        }
        var stream = sent.enumerated().flatMap { Frame.bytes($0.element, request: UInt64($0.offset)) }[...]
        var assembler = FrameAssembler()
        var got: [UInt64] = []
        while !stream.isEmpty {
            let piece = stream.prefix(Int.random(in: 1...9000, using: &g))
            stream = stream.dropFirst(piece.count)
            assembler.append(piece)
            while let frame = try assembler.next() {
                #expect(try frame.decode(Failure.self).number == frame.request)
                #expect(try frame.decode(Failure.self).message == sent[Int(frame.request)].message)
                got.append(frame.request)
            }
        }
        #expect(got == Array(0..<200))
    }

    @Test("content is taken where it lies, and what comes between is left", arguments: 0..<10)
    func content(_ seed: UInt64) throws {
        var g = SeededGenerator(seed: seed)
        let sent = (0..<20).map { _ in (0..<Int.random(in: 0...9000, using: &g)).map { UInt8(truncatingIfNeeded: $0) } }
        let frames = sent.flatMap { piece in
            Bool.random(using: &g)
                ? Frame.bytes(FileData(bytes: piece), request: 0) : FileData.head(ofPiece: piece.count) + piece
        }
        var stream = (frames + Frame.bytes(FileEnd(isWhole: true), request: 0))[...]
        var assembler = FrameAssembler(keeping: Int.random(in: 0...20_000, using: &g))
        var got: [UInt8] = []
        while !stream.isEmpty {
            let piece = stream.prefix(Int.random(in: 1...9000, using: &g))
            stream = stream.dropFirst(piece.count)
            assembler.append(piece)
            while try assembler.takeNext(of: .fileData, { got += try FileData.piece(in: $0) }) {}
        }
        #expect(got == sent.flatMap(\.self))
        #expect(try assembler.next()?.decode(FileEnd.self).isWhole == true)
        #expect(assembler.isEmpty)
    }

    @Test("a piece that says that it is longer than its frame is no piece")
    func lyingPiece() throws {
        for payload in [[], [1, 0, 0], [5, 0, 0, 0, 1, 2, 3, 4], [255, 255, 255, 255, 0]] as [[UInt8]] {
            _ = payload.withUnsafeBytes { bytes in
                #expect(throws: WireError.self) { _ = try FileData.piece(in: bytes) }
            }
        }
    }

    @Test("a length that no frame has ends the stream", arguments: [0, 9, (1 << 20) + 1, UInt32.max] as [UInt32])
    func lyingLength(_ length: UInt32) {
        var writer = WireWriter()
        writer.put(length)
        writer.put(UInt64(0))
        writer.put(UInt64(0))
        var assembler = FrameAssembler()
        assembler.append(writer.bytes)
        #expect(throws: WireError.self) { _ = try assembler.next() }
    }

    @Test("a frame is not taken for another message")
    func wrongType() throws {
        var assembler = FrameAssembler()
        assembler.append(Frame.bytes(Done(), request: 1))
        let frame = try #require(try assembler.next())
        #expect(throws: WireError.self) { _ = try frame.decode(Hello.self) }
    }
}
