import ModalProtocol
import SandboxModel

extension ModalSandbox {
    /// Throws `unimplemented` for the first thing in it that Cordon doesn't have.
    ///
    /// Where it runs (cloud, region) is no question on one machine, and `verbose` and the like only bear on Modal's
    /// own logs: these are left aside, once it is sure that they name something.
    func requireServed() throws(CordonError) {
        let parts: [(isAsked: Bool, feature: String)] = [
            (!resources.gpuConfig.gpuType.isEmpty || resources.gpuConfig.count > 0, "GPUs"),
            (resources.rdma, "RDMA"),
            (!nfsMounts.isEmpty, "network file systems"),
            (!s3Mounts.isEmpty, "S3 mounts of old clients"),
            (hasProxyID && !proxyID.isEmpty, "proxies"),
            (enableSnapshot, "memory snapshots of sandboxes"),
            (hasRuntime && !runtime.isEmpty, "runtimes that a client chooses"),
            (!customDomain.isEmpty, "custom domains"),
            (includeOidcIdentityToken, "identity tokens"),
            (includeX509Svid, "identity certificates"),
            (i6PnEnabled, "private networks between containers (i6pn)"),
            (hasExperimentalOutboundPolicy, "outbound policies that rewrite headers"),
            (experimentalOptions.values.contains(true) || !experimentalOptionsV2.isEmpty, "experimental options"),
            (!unknownFields.data.isEmpty, "options of sandboxes that are newer than this service's protocol"),
        ]
        for part in parts where part.isAsked { throw .unserved(part.feature) }
        try PlaceNames.check(cloud: cloudProviderStr)
        for region in schedulerPlacement.regions { try PlaceNames.check(region: region) }
        if !openPorts.ports.isEmpty, blockNetwork || networkAccess.networkAccessType == .blocked {
            throw .invalid(field: "open_ports", value: nil, rule: "none where the network is blocked")
        }
    }
}
