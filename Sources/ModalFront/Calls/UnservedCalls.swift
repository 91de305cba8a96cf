/// Parts of Modal that Cordon doesn't have. A client that calls them is told which part it is.
struct UnservedCalls {
    private static let client: [(feature: String, calls: [String])] = [
        (
            "memory snapshots of sandboxes",
            [
                "SandboxSnapshot", "SandboxSnapshotGet", "SandboxSnapshotWait", "SandboxRestore", "SandboxRestoreV2",
            ]
        ),
        ("snapshots taken at a sandbox's end", ["SandboxGetExitSnapshot", "SandboxGetExitSnapshotV2"]),
        (
            "persistent sandboxes",
            [
                "PersistentSandboxCreate", "PersistentSandboxGet", "PersistentSandboxResume",
                "PersistentSandboxTerminate", "PersistentSandboxTunnelsList",
            ]
        ),
        (
            "statistics of sandboxes",
            ["SandboxGetStats", "SandboxGetStatsV2", "SandboxGetTimeRangeStats", "SandboxGetResourceUsage"]
        ),
        ("tunnels that are opened from inside of a container", ["TunnelStart", "TunnelStop"]),
        ("tokens made in a browser", ["TokenFlowCreate", "TokenFlowWait"]),
        (
            "queues",
            [
                "QueueClear", "QueueCreate", "QueueDelete", "QueueGet", "QueueGetById", "QueueGetOrCreate",
                "QueueHeartbeat", "QueueLen", "QueueList", "QueueNextItems", "QueuePut",
            ]
        ),
        (
            "dicts",
            [
                "DictClear", "DictContains", "DictContents", "DictCreate", "DictDelete", "DictGet", "DictGetById",
                "DictGetOrCreate", "DictHeartbeat", "DictLen", "DictList", "DictPop", "DictUpdate",
            ]
        ),
        (
            "network file systems",
            [
                "SharedVolumeDelete", "SharedVolumeGetFile", "SharedVolumeGetOrCreate", "SharedVolumeHeartbeat",
                "SharedVolumeList", "SharedVolumeListFiles", "SharedVolumeListFilesStream", "SharedVolumePutFile",
                "SharedVolumeRemoveFile",
            ]
        ),
        (
            "functions and classes",
            [
                "FunctionBindParams", "FunctionCallList", "FunctionCallPutDataOut", "FunctionCreate", "FunctionGet",
                "FunctionGetOutputs", "FunctionMap", "FunctionPrecreate", "FunctionPutInputs", "ClassCreate",
                "ClassGet",
                "ScheduleCreate", "AppDeploy",
            ]
        ),
    ]

    private static let router: [(feature: String, calls: [String])] = [
        ("memory snapshots of sandboxes", ["TaskSnapshotMemory"]),
        ("outbound policies that rewrite headers", ["TaskSetOutboundPolicy"]),
    ]

    func add(to table: inout CallTable) {
        for (feature, calls) in Self.client { table.refuse(calls, feature) }
        for (feature, calls) in Self.router { table.refuse(calls, of: .router, feature) }
    }
}
