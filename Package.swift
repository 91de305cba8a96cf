// swift-tools-version: 6.2

import PackageDescription

/// Programs that run beside a sandbox carry their own runtime: they start where no shared library
/// is in sight, and quickly.
let staticSwift: [SwiftSetting] = [.unsafeFlags(["-static-stdlib"])]
let staticLink: [LinkerSetting] = [.unsafeFlags(["-static-executable"])]

/// The service and its client carry the runtime too, and stand on the system's libraries alone:
/// what they are installed on needs no Swift.
let staticFoundation: [LinkerSetting] = [
    .unsafeFlags([
        "-static-stdlib", "-lCoreFoundation", "-l_FoundationICU", "-l_FoundationCShims", "-l_FoundationCollections",
        "-lswiftSynchronization",
    ])
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let certificates = Target.Dependency.product(name: "X509", package: "swift-certificates")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grpcCore = Target.Dependency.product(name: "GRPCCore", package: "grpc-swift-2")
let grpcTransport = Target.Dependency.product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport")
let grpcProtobuf = Target.Dependency.product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioHPACK = Target.Dependency.product(name: "NIOHPACK", package: "swift-nio-http2")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioHTTPTypesHTTP2 = Target.Dependency.product(name: "NIOHTTPTypesHTTP2", package: "swift-nio-extras")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTPTypesHTTP1 = Target.Dependency.product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioWebSocket = Target.Dependency.product(name: "NIOWebSocket", package: "swift-nio")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "cordon",
    products: [
        .executable(name: "cordond", targets: ["cordond"]),
        .executable(name: "cordon-launcher", targets: ["cordon-launcher"]),
        .executable(name: "cordon-shim", targets: ["cordon-shim"]),
        .executable(name: "cordon", targets: ["cordon"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Layer 0: the kernel as C sees it.
        .target(name: "CLinux"),

        // Layer 1: kernel facilities, and the domain's values and ports.
        .target(name: "LinuxSystem", dependencies: ["CLinux"]),
        .target(name: "SandboxModel"),

        // Layer 2: what crosses a boundary.
        .target(name: "ShimProtocol", dependencies: ["CLinux", "LinuxSystem", "SandboxModel"]),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .target(name: "SeccompPolicy", dependencies: ["CSeccomp", yams]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .target(name: "CordonAPI", dependencies: ["SandboxModel"]),
        // Our protocol files and what `make protos` makes of them, which is committed: a build needs no protoc.
        .target(
            name: "ModalProtocol", dependencies: [protobuf], exclude: ["Protos"]),
        .target(name: "LayerKeeping", dependencies: ["SandboxModel"]),
        .target(name: "TarArchives", dependencies: ["CLinux", "LinuxSystem", "SandboxModel", "ShimProtocol"]),

        .target(name: "StoredFiles", dependencies: [nioCore, nioPosix]),

        // Layer 3: the parts, which never see each other.
        .target(name: "SandboxShim", dependencies: ["CLinux", "LinuxSystem", "SandboxModel", "ShimProtocol"]),
        .target(
            name: "SandboxFiles",
            dependencies: [
                "CLinux", "CLibcrypto", "CZlib", "CZstd", "LinuxSystem", "SandboxModel", "ShimProtocol", "TarArchives",
            ]),
        .target(name: "SandboxLauncher", dependencies: ["CLinux", "LinuxSystem", "SandboxModel", "ShimProtocol"]),
        .target(
            name: "SandboxRuntime",
            dependencies: ["CLinux", "LinuxSystem", "SandboxModel", "ShimProtocol", nioCore, nioPosix, logging]),
        .target(
            name: "SandboxTunnels",
            dependencies: ["CLinux", "LinuxSystem", "SandboxModel", nioCore, nioPosix, nioSSL, nioTLS, logging]),
        .target(name: "SandboxCatalog", dependencies: ["SandboxModel", grdb, logging]),
        .target(name: "ServiceConfiguration", dependencies: ["CordonAPI", "SandboxModel", yams]),
        .target(name: "Access", dependencies: ["SandboxModel", crypto]),
        .target(name: "FrontConnections", dependencies: [nioCore, nioSSL]),
        .target(name: "ServiceMetrics", dependencies: ["LinuxSystem", "SandboxModel"]),
        .target(name: "ServiceLog", dependencies: [logging]),
        .target(name: "SandboxNetwork", dependencies: ["SandboxModel", nioCore, nioHTTP1, nioPosix]),
        .target(name: "ServerCertificates", dependencies: ["LinuxSystem", asn1, certificates, crypto]),
        .target(
            name: "SandboxImages",
            dependencies: [
                "CordonAPI", "LayerKeeping", "SandboxModel", "StoredFiles", crypto, logging, nioCore, nioHTTP1,
                nioPosix,
                nioSSL,
            ]),
        .target(name: "SandboxUploads", dependencies: ["SandboxModel", "StoredFiles", crypto, logging, nioCore]),
        .target(name: "SandboxVolumes", dependencies: ["LayerKeeping", "SandboxModel", logging]),
        .target(name: "SandboxEngine", dependencies: ["SandboxModel", logging]),

        // Layer 4: fronts, which decode, call and encode.
        .target(
            name: "RESTFront",
            dependencies: [
                "SandboxModel", "CordonAPI", "FrontConnections", crypto, hummingbirdCore, httpTypes, nioCore, nioPosix,
                nioHTTP1,
                nioHTTP2, nioHTTPTypes, nioHTTPTypesHTTP1, nioHTTPTypesHTTP2, nioSSL, nioTLS, logging,
                serviceLifecycle,
            ],
            // A link to the contract at the top of the repository, compiled in: cordond is one file.
            resources: [.embedInCode("openapi.yaml")]),
        .target(
            name: "ConnectFront",
            dependencies: [
                "SandboxModel", "CordonAPI", "FrontConnections", crypto, nioCore, nioHPACK, nioHTTP2, nioPosix, nioSSL,
                nioTLS, logging, serviceLifecycle,
            ]),
        .target(
            name: "ModalFront",
            dependencies: [
                "FrontConnections", "SandboxModel", "StoredFiles", "TarArchives", "ModalProtocol", crypto, grpcCore,
                grpcProtobuf, grpcTransport, logging,
                nioCore, nioHPACK, nioHTTP2, nioPosix, nioSSL, protobuf, serviceLifecycle,
            ]),
        .target(
            name: "CordonClient", dependencies: ["CordonAPI", nioCore, nioPosix, nioHTTP1, nioSSL, nioWebSocket]),

        // Layer 5: parse, wire, run.
        .executableTarget(
            name: "cordond",
            dependencies: [
                "CLinux", "LinuxSystem", "SandboxModel", "SeccompPolicy", "ShimProtocol", "SandboxRuntime",
                "SandboxCatalog", "SandboxImages", "SandboxVolumes", "LayerKeeping", "SandboxNetwork", "SandboxTunnels",
                "SandboxUploads", "Access",
                "SandboxEngine",
                "RESTFront",
                "ConnectFront", "FrontConnections", "ModalFront", "ServiceConfiguration", "ServerCertificates",
                "ServiceLog", "ServiceMetrics",
                argumentParser,
                logging, serviceLifecycle,
            ],
            // Links to the policies at the top of the repository, compiled in.
            resources: [.embedInCode("policies/default.json"), .embedInCode("policies/strict.json")],
            linkerSettings: staticFoundation),
        .executableTarget(
            name: "cordon-launcher", dependencies: ["SandboxLauncher"],
            swiftSettings: staticSwift, linkerSettings: staticLink),
        .executableTarget(
            name: "cordon-shim", dependencies: ["SandboxFiles", "SandboxShim"],
            swiftSettings: staticSwift, linkerSettings: staticLink),
        .executableTarget(
            name: "cordon",
            dependencies: [
                "CordonAPI", "CordonClient", "LinuxSystem", "SandboxModel", "ShimProtocol", "TarArchives",
                argumentParser, nioCore,
            ],
            linkerSettings: staticFoundation),

        // Tests drive the real service; the programs must be built beside them.
        .target(name: "CProgramSupport", path: "Tests/CProgramSupport"),
        .target(name: "ProgramSupport", dependencies: ["CLinux", "CProgramSupport"], path: "Tests/ProgramSupport"),
        .target(name: "ServiceSupport", dependencies: ["ProgramSupport"], path: "Tests/ServiceSupport"),
        .testTarget(
            name: "ServiceTests", dependencies: ["ProgramSupport", "ServiceSupport"], resources: [.copy("Programs")]),
        .testTarget(
            name: "ModalSDKTests", dependencies: ["ProgramSupport", "ServiceSupport"], resources: [.copy("Programs")]),
        .testTarget(name: "IsolationTests", dependencies: ["ServiceSupport"]),
        .testTarget(name: "LeakTests", dependencies: ["ProgramSupport", "ServiceSupport"]),
        .testTarget(
            name: "LayerTests",
            dependencies: ["ServiceSupport", "SandboxModel", "SandboxRuntime", "ShimProtocol", logging]),
        .testTarget(name: "LinuxSystemTests", dependencies: ["CLinux", "LinuxSystem", "ProgramSupport"]),
        .testTarget(
            name: "ShimProtocolTests", dependencies: ["CLinux", "LinuxSystem", "SandboxModel", "ShimProtocol"]),
        .testTarget(
            name: "SandboxShimTests",
            dependencies: ["CLinux", "LinuxSystem", "SandboxModel", "ShimProtocol", "SandboxShim"]),
        .testTarget(
            name: "SandboxFilesTests",
            dependencies: [
                "CLinux", "LinuxSystem", "ProgramSupport", "SandboxModel", "ShimProtocol", "SandboxFiles",
                "TarArchives",
            ],
            resources: [.copy("Programs")]),
        .testTarget(
            name: "SandboxLauncherTests",
            dependencies: ["CLinux", "LinuxSystem", "SandboxModel", "ShimProtocol", "SandboxLauncher"]),
        .testTarget(name: "SandboxModelTests", dependencies: ["SandboxModel"]),
        .testTarget(name: "SeccompPolicyTests", dependencies: ["ProgramSupport", "SeccompPolicy"]),
        .testTarget(name: "SandboxCatalogTests", dependencies: ["SandboxModel", "SandboxCatalog", grdb, logging]),
        .testTarget(
            name: "SandboxEngineTests",
            dependencies: ["Access", "SandboxModel", "SandboxEngine", "SandboxCatalog", grdb, logging]),
        .testTarget(name: "ServiceConfigurationTests", dependencies: ["CordonAPI", "ServiceConfiguration"]),
        .testTarget(name: "ServiceMetricsTests", dependencies: ["LinuxSystem", "SandboxModel", "ServiceMetrics"]),
        .testTarget(
            name: "SandboxImagesTests",
            dependencies: ["ProgramSupport", "SandboxCatalog", "SandboxImages", "SandboxModel", logging],
            resources: [.copy("Programs")]),
        .testTarget(name: "SandboxUploadsTests", dependencies: ["SandboxUploads", "SandboxModel", crypto, logging]),
        .testTarget(
            name: "SandboxNetworkTests", dependencies: ["ProgramSupport", "SandboxNetwork", "SandboxModel", nioCore],
            resources: [.copy("Programs")]),
        .testTarget(name: "ServiceLogTests", dependencies: ["ServiceLog", logging]),
        .testTarget(name: "ServerCertificatesTests", dependencies: ["ProgramSupport", "ServerCertificates"]),
        .testTarget(name: "AccessTests", dependencies: ["SandboxModel", "Access"]),
        .testTarget(name: "CordonAPITests", dependencies: ["CordonAPI", "SandboxModel"]),
        .testTarget(
            name: "RESTFrontTests",
            dependencies: [
                "RESTFront", "CordonAPI", "FrontConnections", "ProgramSupport", "SandboxModel", nioCore, nioPosix,
                logging,
                serviceLifecycle,
                yams,
            ],
            resources: [.copy("Programs")]),
        .testTarget(
            name: "ConnectFrontTests",
            dependencies: [
                "ConnectFront", "Access", "SandboxModel", nioCore, nioPosix, logging, serviceLifecycle,
            ]),
        .testTarget(
            name: "ModalFrontTests",
            dependencies: [
                "FrontConnections", "ModalFront", "ModalProtocol", "ProgramSupport", "SandboxModel", nioCore,
                nioEmbedded, nioHPACK,
                nioHTTP2,
            ]),
        .testTarget(
            name: "CordonClientTests",
            dependencies: [
                "CordonClient", "CordonAPI", "ServerCertificates", nioCore, nioPosix, nioHTTP1, nioSSL, nioWebSocket,
            ]),
    ],
    swiftLanguageModes: [.v6]
)
