internal import CaptureRules
internal import Delivery
internal import Encodings
internal import JSON
internal import Values

/// What a client asks to be sent on, and where to.
struct ForwardRequest: Equatable {
    let notifications: [UInt64]
    let urls: [String]

    /// Reads `{"notifications": [1, 2], "urls": ["https://…"]}`.
    init(parsing body: [UInt8], _ rules: any URLRules) throws(ConfigurationError) {
        let object = try BodyObject(
            body, like: "{\"notifications\": [1], \"urls\": [\"https://…\"]}", known: ["notifications", "urls"])
        notifications = try Self.numbers(object["notifications"])
        guard let urls = object["urls"] else { throw ConfigurationError(reason: "The member \"urls\" is missing.") }
        let list = try ForwardURLs(urls, member: "urls")
        guard !list.urls.isEmpty else { throw ConfigurationError(reason: "The member \"urls\" must not be empty.") }
        if let fault = list.fault(rules) { throw ConfigurationError(reason: "\(fault).") }
        self.urls = list.urls
    }

    private static func numbers(_ json: JSON?) throws(ConfigurationError) -> [UInt64] {
        guard let json else { throw ConfigurationError(reason: "The member \"notifications\" is missing.") }
        let numbers = json.array?.map { $0.integer.flatMap { UInt64(exactly: $0) } ?? 0 }
        guard let numbers, (1...ForwardLimits.notifications).contains(numbers.count), !numbers.contains(0) else {
            throw ConfigurationError(
                reason: """
                    The member "notifications" must be a list of 1 to \(ForwardLimits.notifications) ids of notifications, \
                    which are whole numbers from 1 on.
                    """)
        }
        var seen: Set<UInt64> = []
        if let number = numbers.first(where: { !seen.insert($0).inserted }) {
            throw ConfigurationError(reason: "The member \"notifications\" has \(number) more than once.")
        }
        return numbers
    }
}
