// swift-tools-version: 6.2
import PackageDescription

/// Every target is compiled with the same settings, so that code can move between modules without surprises.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")

func nio(_ product: String) -> Target.Dependency { .product(name: product, package: "swift-nio") }

let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")

let package = Package(
    name: "svcctl",
    products: [
        .executable(name: "svcctl", targets: ["svcctl"])
    ],
    traits: [
        .default(enabledTraits: ["IPSet"]),
        .trait(name: "IPSet", description: "Sets of ipset by libipset, which is GPL-2.0-only"),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: [
        // Layer 0: system libraries and small values.
        .systemLibrary(
            name: "CNetfilter", pkgConfig: "libnftnl libmnl",
            providers: [.apt(["libmnl-dev", "libnftnl-dev", "pkg-config"])]),
        // GPL-2.0-only: nothing but `IPSet` may need it, and nothing does without the trait.
        .systemLibrary(name: "CIPSet", pkgConfig: "libipset", providers: [.apt(["libipset-dev"])]),
        .target(name: "NetAddress"),

        // Layer 1: bytes on the netlink wire; what users define.
        .target(name: "NetlinkWire"),
        .target(name: "ServiceModel", dependencies: ["NetAddress", yams]),

        // Layer 2: the netlink socket; where definitions come from; what each frontend does.
        .target(name: "Netlink", dependencies: ["NetlinkWire", "CNetfilter"]),
        .target(name: "ServiceSource", dependencies: ["ServiceModel"]),
        .target(name: "ServicePlan", dependencies: ["NetAddress", "ServiceModel"]),

        // Layer 3: definitions in etcd; typed kernel objects; what all backends share.
        .target(
            name: "EtcdSource",
            dependencies: [
                "ServiceModel", "ServiceSource", httpClient, logging, nio("NIOCore"),
                nio("NIOFoundationEssentialsCompat"),
                nio("NIOHTTP1"), nio("NIOPosix"), nioSSL,
            ]),
        .target(name: "NFTables", dependencies: ["CNetfilter", "NetAddress", "Netlink", "NetlinkWire"]),
        .target(name: "XTables", dependencies: ["NFTables", "NetAddress", "Netlink"]),
        .target(name: "Conntrack", dependencies: ["CNetfilter", "NetAddress", "Netlink", "NetlinkWire"]),
        .target(
            name: "IPSet",
            dependencies: [
                .target(name: "CIPSet", condition: .when(traits: ["IPSet"])), "NetAddress", "Netlink", "NetlinkWire",
            ]),
        .target(name: "Links", dependencies: ["NetAddress", "Netlink", "NetlinkWire"]),
        .target(name: "IPVS", dependencies: ["NetAddress", "Netlink", "NetlinkWire"]),
        .target(
            name: "Dataplane", dependencies: ["Conntrack", "NetAddress", "Netlink", "ServiceModel", "ServicePlan"]),

        .target(
            name: "RulesetAccess",
            dependencies: ["Dataplane", "NFTables", "NetAddress", "Netlink", "ServicePlan", "XTables"]),

        // Layer 4: the backends; what a ruleset does with a packet.
        .target(name: "PacketTrace", dependencies: ["NFTables", "NetAddress"]),
        .target(
            name: "NFTablesBackend",
            dependencies: [
                "Dataplane", "NFTables", "NetAddress", "Netlink", "NetlinkWire", "RulesetAccess", "ServiceModel",
                "ServicePlan",
            ]),

        .target(
            name: "IPTablesBackend",
            dependencies: [
                "Dataplane", "NFTables", "NetAddress", "Netlink", "RulesetAccess", "ServiceModel", "ServicePlan",
                "XTables",
            ]),

        .target(
            name: "IPVSBackend",
            dependencies: [
                "Dataplane", "IPSet", "IPVS", "Links", "NFTables", "NetAddress", "Netlink", "RulesetAccess",
                "ServiceModel", "ServicePlan", "XTables",
            ]),

        .target(
            name: "Backends",
            dependencies: [
                "Dataplane", "IPTablesBackend", "IPVSBackend", "Links", "NFTablesBackend", "Netlink", "ServiceModel",
                "ServicePlan",
            ]),

        // Layer 5: the node agent.
        .target(
            name: "Agent",
            dependencies: ["Dataplane", "NetAddress", "ServiceModel", "ServicePlan", "ServiceSource"]),
        .target(
            name: "AgentHTTP",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ]),
        .target(name: "PrometheusText", dependencies: [.product(name: "CoreMetrics", package: "swift-metrics")]),
        .systemLibrary(name: "CAllocator"),
        .target(
            name: "AgentRuntime",
            dependencies: [
                "Agent", "AgentHTTP", "Backends", "CAllocator", "Dataplane", "EtcdSource", "Links", "NFTables",
                "NFTablesBackend",
                "NetAddress", "Netlink", "PrometheusText", "ServiceModel", "ServicePlan", "ServiceSource", lifecycle,
                logging, metrics,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),

        // Layer 6: the command line.
        .executableTarget(
            name: "svcctl",
            dependencies: [
                "Agent", "AgentRuntime", "Backends", "Dataplane", "EtcdSource", "IPTablesBackend", "IPVSBackend",
                "NFTables",
                "NFTablesBackend",
                "NetAddress", "PacketTrace", "ServiceModel", "ServicePlan", "ServiceSource", argumentParser, logging,
            ]),

        // Measures the parts of the way in one process; hack/bench runs it.
        .executableTarget(
            name: "svcctl-bench",
            dependencies: [
                "Conntrack", "Dataplane", "EtcdSource", "IPSet", "IPTablesBackend", "IPVS", "IPVSBackend", "Links",
                "NFTables", "NFTablesBackend", "NetAddress", "Netlink", "NetlinkWire", "PacketTrace",
                "ServiceModel", "ServicePlan", "ServiceSource", argumentParser,
            ]),

        // Used by tests only.
        .systemLibrary(name: "CNamespaces"),
        .systemLibrary(name: "CSandbox"),
        .target(name: "DataplaneTestKit", dependencies: ["CNamespaces", "NetAddress"]),

        .target(
            name: "EtcdTestKit", dependencies: ["DataplaneTestKit", "EtcdSource", nio("NIOCore"), nio("NIOPosix")]),

        .target(
            name: "DataplaneConformance",
            dependencies: ["Dataplane", "DataplaneTestKit", "NetAddress", "ServiceModel", "ServicePlan"]),

        .testTarget(
            name: "AgentTests",
            dependencies: [
                "Agent", "Dataplane", "DataplaneTestKit", "NFTablesBackend", "NetAddress", "ServiceModel",
                "ServicePlan", "ServiceSource",
            ]),
        .testTarget(
            name: "AgentRuntimeTests",
            dependencies: [
                "Agent", "Dataplane", "DataplaneTestKit", "AgentHTTP", "AgentRuntime", "NetAddress", "PrometheusText",
                "ServiceModel", "ServicePlan", "ServiceSource",
                logging,
                metrics,
                yams,
            ]),
        .testTarget(name: "ConntrackTests", dependencies: ["Conntrack", "DataplaneTestKit", "NetAddress", "Netlink"]),
        .testTarget(name: "DataplaneTestKitTests", dependencies: ["DataplaneTestKit", "NetAddress"]),
        .testTarget(
            name: "DataplaneTests", dependencies: ["Dataplane", "NetAddress", "ServiceModel", "ServicePlan"]),
        .testTarget(name: "IPSetTests", dependencies: ["DataplaneTestKit", "IPSet", "NetAddress"]),
        .testTarget(name: "LinksTests", dependencies: ["DataplaneTestKit", "Links", "NetAddress", "Netlink"]),
        .testTarget(
            name: "IPVSTests",
            dependencies: ["CNamespaces", "DataplaneTestKit", "IPVS", "NetAddress", "Netlink", "NetlinkWire"]),
        // Runs etcd itself, on loopback.
        .testTarget(
            name: "EtcdSourceTests",
            dependencies: ["EtcdSource", "EtcdTestKit", "NetAddress", "ServiceModel", "ServiceSource", nio("NIOCore")]),
        .testTarget(name: "NetAddressTests", dependencies: ["NetAddress"]),
        .testTarget(name: "NetlinkWireTests", dependencies: ["NetlinkWire"]),
        .testTarget(name: "NFTablesTests", dependencies: ["DataplaneTestKit", "NFTables", "NetAddress", "Netlink"]),
        .testTarget(
            name: "NFTablesBackendTests",
            dependencies: [
                "Dataplane", "DataplaneConformance", "DataplaneTestKit", "NFTables", "NFTablesBackend", "NetAddress",
                "PacketTrace", "ServiceModel", "ServicePlan",
            ]),
        .testTarget(
            name: "IPTablesBackendTests",
            dependencies: [
                "Dataplane", "DataplaneConformance", "DataplaneTestKit", "IPTablesBackend", "NFTables", "NetAddress",
                "RulesetAccess",
                "ServiceModel", "ServicePlan", "XTables",
            ]),
        .testTarget(
            name: "IPVSBackendTests",
            dependencies: [
                "Dataplane", "DataplaneConformance", "DataplaneTestKit", "IPSet", "IPVSBackend", "Links", "NetAddress",
                "ServiceModel", "ServicePlan",
            ]),
        .testTarget(
            name: "PacketTraceTests",
            dependencies: ["DataplaneTestKit", "NFTables", "NetAddress", "Netlink", "PacketTrace"]),
        .testTarget(
            name: "XTablesTests", dependencies: ["DataplaneTestKit", "NFTables", "NetAddress", "Netlink", "XTables"]),
        .testTarget(name: "ServicePlanTests", dependencies: ["NetAddress", "ServiceModel", "ServicePlan"]),
        .testTarget(name: "ServiceModelTests", dependencies: ["NetAddress", "ServiceModel"]),
        .testTarget(
            name: "ServiceSourceTests", dependencies: ["CSandbox", "NetAddress", "ServiceModel", "ServiceSource"]),
        // Runs the built program, which is why it depends on it.
        .testTarget(
            name: "SvcctlTests",
            dependencies: [
                "CSandbox", "DataplaneTestKit", "EtcdSource", "EtcdTestKit", "NFTables", "NetAddress", "Netlink",
                "svcctl",
            ]),
    ]
)

for target in package.targets where target.type != .system {
    target.swiftSettings = settings
}

// Tests in an emulated machine wait for these most of the time.
for target in package.targets where ["DataplaneTestKit", "DataplaneConformance"].contains(target.name) {
    target.swiftSettings = settings + [.unsafeFlags(["-O"], .when(configuration: .debug))]
}
