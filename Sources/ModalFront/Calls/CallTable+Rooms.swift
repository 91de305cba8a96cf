import SandboxModel

extension CallTable {
    /// Everything that is served, and a sentence for what isn't.
    static func complete(front: FrontState?) -> CallTable {
        var table = CallTable(front: front)
        TokenCalls().add(to: &table)
        EnvironmentCalls.add(to: &table)
        AppCalls().add(to: &table)
        AppLists.add(to: &table)
        TaskCalls().add(to: &table)
        LogCalls().add(to: &table)
        ImageCalls.add(to: &table)
        MountCalls.add(to: &table)
        BlobCalls.add(to: &table)
        SecretCalls.add(to: &table)
        ProxyCalls().add(to: &table)
        VolumeCalls.add(to: &table)
        SandboxCalls().add(to: &table)
        SandboxStreamCalls().add(to: &table)
        SnapshotCalls().add(to: &table)
        SidecarCalls().add(to: &table)
        ExecCalls().add(to: &table)
        ContainerCalls().add(to: &table)
        ContainerFileCalls().add(to: &table)
        UnservedCalls().add(to: &table)
        return table
    }
}
