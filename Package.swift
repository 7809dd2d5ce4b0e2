// swift-tools-version: 6.2

import PackageDescription

let settings: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

/// The layers of `Sources`, each in a folder of its name. A module depends on modules of its own layer and of those further
/// down; scripts/check-layers compares.
enum Layer: String {
    /// The program: commands, settings, the supervisor, and the wiring of all below.
    case program = "Program"
    /// The engines behind the store protocols of the APIs.
    case store = "Store"
    /// What serves requests, makes deliveries and asks other services.
    case engines = "Engines"
    /// The four APIs and what they share: values, rules, handlers, and the protocols of the stores they need.
    case apis = "APIs"
    /// Swift over the C library and over system libraries.
    case system = "System"
    /// Values, and formats and algorithms that others have defined.
    case formats = "Formats"
    /// Module maps of system libraries.
    case c = "C"
}

func module(_ layer: Layer, _ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target
{
    .target(
        name: name, dependencies: dependencies, path: "Sources/\(layer.rawValue)/\(name)", exclude: exclude,
        swiftSettings: settings)
}

func library(_ name: String, pkgConfig: String? = nil, package: String? = nil) -> Target {
    .systemLibrary(
        name: name, path: "Sources/C/\(name)", pkgConfig: pkgConfig, providers: package.map { [.apt([$0])] })
}

func tests(of name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.init(stringLiteral: name)] + dependencies, exclude: exclude,
        swiftSettings: settings)
}

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
        library("CArgon2", pkgConfig: "libargon2", package: "libargon2-dev"),
        library("CCrypto", pkgConfig: "libcrypto", package: "libssl-dev"),
        library("CCurl", pkgConfig: "libcurl", package: "libcurl4-openssl-dev"),
        library("CFastCGI", pkgConfig: "fcgi", package: "libfcgi-dev"),
        library("CKafka", pkgConfig: "rdkafka", package: "librdkafka-dev"),
        library("CLMDB", pkgConfig: "lmdb", package: "liblmdb-dev"),
        library("CPQ", pkgConfig: "libpq", package: "libpq-dev"),
        library("CSQLite", pkgConfig: "sqlite3", package: "libsqlite3-dev"),
        library("CZlib", pkgConfig: "zlib", package: "zlib1g-dev"),
        library("CLinux"),

        module(.system, "Linux", ["CLinux", "Values", system]),
        module(.system, "LMDB", ["CLMDB"]),
        module(.system, "Curl", ["CCurl", "HTTP", "Linux", "Values", system]),
        module(.system, "Kafka", ["CKafka", "Linux"]),
        module(.system, "PostgreSQL", ["CPQ"]),
        module(.system, "SQLite", ["CSQLite"]),

        module(.formats, "Encodings", ["CZlib"]),
        module(.formats, "Cryptography", ["CArgon2", "CCrypto", "Encodings", "Values"]),
        module(.formats, "HTTP", ["Encodings", "Values", httpTypes]),
        module(.formats, "CloudEvents", ["Encodings", "HTTP", "JSON", "Values"]),
        module(.formats, "JSON"),
        module(.formats, "JSONPath", ["JSON"], exclude: ["DESIGN.md"]),
        module(.formats, "StandardWebhooks", ["Encodings", "Cryptography", "Values"]),
        module(.formats, "Values", ["CLinux", "Encodings"]),

        module(
            .apis, "CaptureRules",
            [
                "Cryptography", "Delivery", "Encodings", "HTTP", "JSON", "JSONPath", "StandardWebhooks", "Values",
                httpTypes,
            ], exclude: ["README.md"]),
        module(
            .apis, "Capture",
            ["CaptureRules", "Cryptography", "Delivery", "Encodings", "HTTP", "JSON", "Values", httpTypes]),
        module(.apis, "Queues", ["Encodings", "Cryptography", "HTTP", "JSON", "Linux", "Values", httpTypes]),
        module(.apis, "Delivery", ["Encodings", "HTTP", "JSON", "Values"]),
        module(
            .apis, "Webhooks",
            [
                "CloudEvents", "Encodings", "Cryptography", "Delivery", "HTTP", "Values", "JSON", "Linux",
                "StandardWebhooks",
                httpTypes,
            ]),
        module(
            .apis, "Events", ["CloudEvents", "Encodings", "Delivery", "HTTP", "Values", "JSON", "JSONPath", httpTypes]),

        module(
            .apis, "Storage", ["Capture", "Delivery", "Events", "Linux", "Queues", "Values", "Webhooks", system],
            exclude: ["README.md"]),

        module(.engines, "FastCGI", ["CFastCGI", "Encodings", "HTTP", "Linux", "Values", httpTypes, logging, system]),
        module(
            .engines, "DeliveryEngine",
            [
                "Capture", "Cryptography", "Curl", "Delivery", "Encodings", "HTTP", "Linux", "StandardWebhooks",
                "Values",
                system,
            ]),
        module(.engines, "Lookups", ["Curl", "HTTP", "Linux", "Values", logging, system]),

        module(
            .store, "MappedStore",
            [
                "Capture", "Encodings", "Cryptography", "Delivery", "Events", "HTTP", "JSON", "JSONPath",
                "LMDB", "Linux", "Queues", "Storage", "Values", "Webhooks", system,
            ], exclude: ["README.md"]),

        module(
            .store, "PostgreSQLStore",
            [
                "Capture", "Cryptography", "Delivery", "Events", "HTTP", "LMDB", "Linux", "MappedStore", "PostgreSQL",
                "Queues", "Storage", "Values", "Webhooks", system,
            ], exclude: ["README.md"]),

        // Depends on no storage engine: Postroom chooses one.
        module(
            .program, "PostroomService",
            [
                "Capture", "Cryptography", "Delivery", "DeliveryEngine", "Encodings", "Events", "FastCGI", "HTTP",
                "JSON", "Kafka", "Linux", "Lookups", "PostgreSQL", "Queues", "SQLite", "StandardWebhooks", "Storage",
                "Values", "Webhooks", httpTypes, logging, system,
            ]),
        .executableTarget(
            name: "Postroom",
            dependencies: [
                "Capture", "CaptureRules", "Cryptography", "Curl", "Delivery", "DeliveryEngine", "Encodings", "Events",
                "FastCGI", "HTTP", "JSON", "Linux", "Lookups", "MappedStore", "PostgreSQLStore", "Queues",
                "PostroomService", "Storage",
                "Values",
                logging, system, .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Sources/Program/Postroom", swiftSettings: settings),

        .executableTarget(
            name: "JSONPathBenchmark", dependencies: ["JSON", "JSONPath"], path: "Benchmarks/JSONPath",
            swiftSettings: settings),

        .target(
            name: "TestSupport", dependencies: ["Linux", system], path: "Tests/Support/TestSupport",
            swiftSettings: settings),
        .target(
            name: "StoreSupport",
            dependencies: [
                "Storage", "Capture", "Delivery", "Events", "HTTP", "Linux", "MappedStore", "PostgreSQL",
                "PostgreSQLStore", "Queues", "TestSupport",
                "Values",
                "Webhooks", system,
            ],
            path: "Tests/Support/StoreSupport", swiftSettings: settings),
        tests(of: "Linux", ["TestSupport", "Values", system]),
        tests(of: "LMDB", ["TestSupport", system]),
        tests(of: "PostgreSQLStore", ["LMDB", "PostgreSQL", "StoreSupport", "TestSupport"]),
        tests(of: "Encodings", ["CZlib", "Cryptography"]),
        tests(of: "Cryptography", ["CCrypto", "Encodings", "Linux", "TestSupport", system]),
        tests(of: "StandardWebhooks", ["Encodings", "Cryptography"]),
        tests(of: "Curl", ["Linux", "TestSupport", "Values", system]),
        tests(of: "Kafka", ["Linux"]),
        tests(of: "CloudEvents", ["HTTP", "JSON", "TestSupport"]),
        tests(of: "JSON", []),
        tests(of: "JSONPath", ["JSON"], exclude: ["ComplianceSuite"]),
        tests(of: "HTTP", ["Values", httpTypes]),
        tests(of: "Values", []),
        tests(of: "FastCGI", ["HTTP", "Values", "Linux", "TestSupport", httpTypes, logging, system]),
        tests(
            of: "Webhooks",
            [
                "Storage", "Encodings", "Delivery", "HTTP", "Values", "JSON", "Linux", "MappedStore", "StoreSupport",
                "TestSupport",
                "StandardWebhooks", httpTypes, system,
            ]),
        tests(
            of: "DeliveryEngine",
            [
                "Cryptography", "Curl", "Delivery", "HTTP", "Linux", "MappedStore", "TestSupport",
                "StandardWebhooks", "Webhooks", "Values", system,
            ]),
        tests(of: "Lookups", ["Curl", "HTTP", "Linux", "TestSupport", logging, "Values", system]),
        tests(
            of: "CaptureRules", ["Cryptography", "Encodings", "HTTP", "JSON", "JSONPath", "Values", httpTypes]),
        tests(
            of: "Capture",
            [
                "Cryptography", "Encodings", "HTTP", "Values", "JSON", "Linux", "MappedStore", "StoreSupport",
                "TestSupport",
                httpTypes, system,
            ]),
        tests(of: "Delivery", ["CCurl", "Encodings", "HTTP", "Linux", "Values"]),
        tests(
            of: "Events",
            [
                "Storage", "CloudEvents", "Delivery", "HTTP", "Values", "JSON", "JSONPath", "Linux", "MappedStore",
                "StoreSupport",
                "TestSupport",
                httpTypes,
                system,
            ]),
        tests(
            of: "Queues",
            [
                "Encodings", "Cryptography", "HTTP", "JSON", "Linux", "MappedStore", "StoreSupport",
                "TestSupport", httpTypes, "Values", system,
            ]),
        tests(
            of: "MappedStore",
            [
                "Storage", "Capture", "Cryptography", "Delivery", "Encodings", "Events", "HTTP", "LMDB", "Linux",
                "Queues",
                "StoreSupport", "TestSupport",
                "Webhooks", "Values", system,
            ]),
        tests(
            of: "PostroomService",
            [
                "Capture", "Delivery", "DeliveryEngine", "Events", "HTTP", "Values", "Kafka", "Linux", "Webhooks",
                "TestSupport",
                logging,
                system,
            ]),
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "Capture", "CaptureRules", "CloudEvents", "Delivery", "Encodings", "Events", "FastCGI", "HTTP", "JSON",
                "JSONPath",
                "Linux", "MappedStore", "Queues", "PostroomService", "Values", "Webhooks", httpTypes, system,
            ],
            path: "Fuzz", exclude: ["Seeds", "Support/Entry.swift"], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
