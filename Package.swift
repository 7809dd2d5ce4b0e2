// swift-tools-version: 6.2

import PackageDescription

let settings: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

let package = Package(
    name: "postroom",
    products: [
        .executable(name: "postroom", targets: ["Postroom"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .systemLibrary(name: "CArgon2", pkgConfig: "libargon2", providers: [.apt(["libargon2-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CFastCGI", pkgConfig: "fcgi", providers: [.apt(["libfcgi-dev"])]),
        .systemLibrary(name: "CKafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "CPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CLinux"),

        .target(name: "Linux", dependencies: ["CLinux", system], swiftSettings: settings),
        .target(name: "LMDB", dependencies: ["CLMDB"], swiftSettings: settings),
        .target(name: "ContentDecoding", dependencies: ["CZlib"], swiftSettings: settings),
        .target(
            name: "Cryptography", dependencies: ["CArgon2", "CCrypto", "ContentDecoding"], swiftSettings: settings),
        .target(
            name: "WebhookSignatures", dependencies: ["ContentDecoding", "Cryptography"], swiftSettings: settings),
        .target(name: "Curl", dependencies: ["CCurl", "Linux", system], swiftSettings: settings),
        .target(name: "Kafka", dependencies: ["CKafka", "Linux"], swiftSettings: settings),
        .target(name: "PostgreSQL", dependencies: ["CPQ"], swiftSettings: settings),
        .target(name: "SQLite", dependencies: ["CSQLite"], swiftSettings: settings),
        .target(name: "JSON", swiftSettings: settings),
        .target(
            name: "JSONPath", dependencies: ["JSON"], exclude: ["DESIGN.md"], swiftSettings: settings),
        .target(name: "Gateway", dependencies: [httpTypes], swiftSettings: settings),
        .target(
            name: "FastCGI", dependencies: ["CFastCGI", "Gateway", "Linux", httpTypes, logging, system],
            swiftSettings: settings),

        .target(
            name: "Capture", dependencies: ["ContentDecoding", "Gateway", "JSON", httpTypes], swiftSettings: settings),
        .target(
            name: "Queues", dependencies: ["ContentDecoding", "Cryptography", "Gateway", "JSON", "Linux", httpTypes],
            swiftSettings: settings),
        .target(name: "Delivery", dependencies: ["ContentDecoding", "Gateway", "Linux"], swiftSettings: settings),
        .target(
            name: "Webhooks",
            dependencies: [
                "ContentDecoding", "Cryptography", "Delivery", "Gateway", "JSON", "Linux", "WebhookSignatures",
                httpTypes,
            ],
            swiftSettings: settings),
        .target(
            name: "Events",
            dependencies: ["ContentDecoding", "Delivery", "Gateway", "JSON", "JSONPath", httpTypes],
            swiftSettings: settings),
        .target(
            name: "DeliveryEngine",
            dependencies: ["Cryptography", "Curl", "Delivery", "Gateway", "Linux", "WebhookSignatures", system],
            swiftSettings: settings),
        .target(
            name: "Lookups", dependencies: ["Curl", "Gateway", "Linux", "Webhooks", logging, system],
            swiftSettings: settings),
        .target(
            name: "MappedStore",
            dependencies: [
                "Capture", "ContentDecoding", "Cryptography", "Delivery", "Events", "Gateway", "JSON", "JSONPath",
                "LMDB",
                "Linux", "Queues", "Webhooks", system,
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "Postroom",
            dependencies: [
                "Capture", "Cryptography", "Curl", "Delivery", "DeliveryEngine", "Events", "FastCGI", "Gateway", "JSON",
                "Kafka", "LMDB", "Linux", "Lookups", "MappedStore", "PostgreSQL", "Queues", "SQLite",
                "WebhookSignatures", "Webhooks", httpTypes, logging, system,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),

        .executableTarget(
            name: "JSONPathBenchmark", dependencies: ["JSON", "JSONPath"], path: "Benchmarks/JSONPath",
            swiftSettings: settings),

        .target(
            name: "TestSupport", dependencies: ["Linux", system], path: "Tests/TestSupport", swiftSettings: settings),
        .target(
            name: "StoreSupport",
            dependencies: [
                "Capture", "Delivery", "Events", "Gateway", "MappedStore", "Queues", "TestSupport", "Webhooks", system,
            ],
            path: "Tests/StoreSupport", swiftSettings: settings),
        .testTarget(name: "LinuxTests", dependencies: ["Linux", "TestSupport", system], swiftSettings: settings),
        .testTarget(name: "LMDBTests", dependencies: ["LMDB", "TestSupport", system], swiftSettings: settings),
        .testTarget(name: "ContentDecodingTests", dependencies: ["CZlib", "ContentDecoding"], swiftSettings: settings),
        .testTarget(
            name: "CryptographyTests",
            dependencies: ["CCrypto", "ContentDecoding", "Cryptography", "Linux", "TestSupport", system],
            swiftSettings: settings),
        .testTarget(
            name: "WebhookSignaturesTests", dependencies: ["ContentDecoding", "Cryptography", "WebhookSignatures"],
            swiftSettings: settings),
        .testTarget(
            name: "CurlTests", dependencies: ["Curl", "Linux", "TestSupport", system], swiftSettings: settings),
        .testTarget(name: "KafkaTests", dependencies: ["Kafka", "Linux"], swiftSettings: settings),
        .testTarget(name: "JSONTests", dependencies: ["JSON"], swiftSettings: settings),
        .testTarget(
            name: "JSONPathTests", dependencies: ["JSON", "JSONPath"],
            exclude: ["ComplianceSuite"], swiftSettings: settings),
        .testTarget(name: "GatewayTests", dependencies: ["Gateway", httpTypes], swiftSettings: settings),
        .testTarget(
            name: "FastCGITests",
            dependencies: ["FastCGI", "Gateway", "Linux", "TestSupport", httpTypes, logging, system],
            swiftSettings: settings),
        .testTarget(
            name: "WebhooksTests",
            dependencies: [
                "ContentDecoding", "Delivery", "Gateway", "JSON", "MappedStore", "StoreSupport", "TestSupport",
                "WebhookSignatures",
                "Webhooks", httpTypes,
                system,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "DeliveryEngineTests",
            dependencies: [
                "Cryptography", "Curl", "Delivery", "DeliveryEngine", "Gateway", "Linux", "MappedStore", "TestSupport",
                "WebhookSignatures", "Webhooks", system,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "LookupsTests",
            dependencies: ["Curl", "Gateway", "Linux", "Lookups", "TestSupport", "Webhooks", logging, system],
            swiftSettings: settings),
        .testTarget(
            name: "CaptureTests",
            dependencies: [
                "Capture", "ContentDecoding", "Gateway", "JSON", "MappedStore", "StoreSupport", "TestSupport",
                httpTypes, system,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "DeliveryTests", dependencies: ["CCurl", "ContentDecoding", "Delivery", "Gateway", "Linux"],
            swiftSettings: settings),
        .testTarget(
            name: "EventsTests",
            dependencies: [
                "Delivery", "Events", "Gateway", "JSON", "JSONPath", "MappedStore", "StoreSupport", "TestSupport",
                httpTypes, system,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "QueuesTests",
            dependencies: [
                "ContentDecoding", "Cryptography", "Gateway", "JSON", "Linux", "MappedStore", "Queues", "StoreSupport",
                "TestSupport",
                httpTypes, system,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "MappedStoreTests",
            dependencies: [
                "Capture", "Cryptography", "Delivery", "Events", "Gateway", "LMDB", "Linux", "MappedStore", "Queues",
                "TestSupport", "Webhooks", system,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "PostroomTests",
            dependencies: [
                "Capture", "DeliveryEngine", "Events", "Gateway", "Kafka", "Linux", "Webhooks", "Postroom",
                "TestSupport",
                logging, system,
            ],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
