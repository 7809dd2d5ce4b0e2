import FoundationEssentials
import Testing

private let targets: [String: @Sendable ([UInt8]) -> Void] = [
    "Base64": fuzzBase64,
    "Charset": fuzzCharset,
    "CloudEvents": fuzzCloudEvents,
    "Configuration": fuzzConfiguration,
    "Credentials": fuzzCredentials,
    "Decompression": fuzzDecompression,
    "DeliveryRecords": fuzzDeliveryRecords,
    "EventInput": fuzzEventInput,
    "EventRecords": fuzzEventRecords,
    "FormBody": fuzzFormBody,
    "JSON": fuzzJSON,
    "JSONPath": fuzzJSONPath,
    "MediaType": fuzzMediaType,
    "Notification": fuzzNotification,
    "Parameters": fuzzParameters,
    "QueueConfiguration": fuzzQueueConfiguration,
    "QueueRecords": fuzzQueueRecords,
    "ReceiverSettings": fuzzReceiverSettings,
    "Records": fuzzRecords,
    "RegularExpression": fuzzRegularExpression,
    "RequestID": fuzzRequestID,
    "RequestMatch": fuzzRequestMatch,
    "SettingText": fuzzSettingText,
    "StoredRecords": fuzzStoredRecords,
    "SubscriptionInput": fuzzSubscriptionInput,
    "Target": fuzzTarget,
    "TargetURL": fuzzTargetURL,
    "Timestamp": fuzzTimestamp,
    "WebhookInput": fuzzWebhookInput,
]

/// The seeds of "make fuzz", without a fuzzer. An input that fails ends the tests with the words of `require`.
@Suite struct SeedTests {
    private static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func names(in path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.appending(path: path).path)
    }

    @Test func `every target is tested, and has seeds`() throws {
        let layers = Set(try Self.names(in: ".")).subtracting(["Seeds", "Support", "Tests"])
        let files = try layers.flatMap(Self.names).filter { $0.hasSuffix(".swift") }.map { String($0.dropLast(6)) }
        #expect(Set(files) == Set(targets.keys))
        #expect(Set(try Self.names(in: "Seeds")) == Set(files))
    }

    @Test(arguments: targets.keys.sorted())
    func `a target holds for its seeds and their beginnings`(name: String) throws {
        let target = try #require(targets[name])
        let seeds = try Self.names(in: "Seeds/\(name)")
        #expect(!seeds.isEmpty)
        for seed in seeds {
            let bytes = [UInt8](try Data(contentsOf: Self.directory.appending(path: "Seeds/\(name)/\(seed)")))
            target(bytes)
            for length in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 50)) {
                target(Array(bytes.prefix(length)))
            }
        }
    }
}
