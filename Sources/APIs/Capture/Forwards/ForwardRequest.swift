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
    init(parsing body: [UInt8], httpsOnly: Bool) throws(ConfigurationError) {
        guard let json = try? JSON(parsing: jsonText(body) ?? body), case .object(let members) = json else {
            throw ConfigurationError(
                reason: "The body must be a JSON object like {\"notifications\": [1], \"urls\": [\"https://…\"]}.")
        }
        if let other = members.first(where: { !["notifications", "urls"].contains($0.name) }) {
            throw ConfigurationError(
                reason: "The member \"\(other.name.shortened(to: 64))\" is not known; known are notifications, urls.")
        }
        notifications = try Self.numbers(json["notifications"])
        guard let urls = json["urls"] else { throw ConfigurationError(reason: "The member \"urls\" is missing.") }
        self.urls = try forwardURLs(urls, member: "urls", httpsOnly: httpsOnly)
        guard !self.urls.isEmpty else { throw ConfigurationError(reason: "The member \"urls\" must not be empty.") }
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

/// Reads a list of URLs to which notifications may be sent on. `null` stands for an empty one.
func forwardURLs(_ json: JSON, member: String, httpsOnly: Bool) throws(ConfigurationError) -> [String] {
    if json == .null { return [] }
    let texts = json.array?.map(\.string)
    guard let texts, texts.count <= ForwardLimits.urls, !texts.contains(nil) else {
        throw ConfigurationError(
            reason: "The member \"\(member)\" must be a list of at most \(ForwardLimits.urls) URLs.")
    }
    let urls = texts.compactMap { $0 }
    var seen: Set<String> = []
    for (index, url) in urls.enumerated() {
        func fault(_ reason: String) -> ConfigurationError {
            ConfigurationError(reason: "\(member)[\(index)]: \(reason).")
        }
        guard url.utf8.count <= ForwardLimits.urlBytes else {
            throw fault("the URL has \(url.utf8.count) bytes; at most \(ForwardLimits.urlBytes) are allowed")
        }
        do throws(TargetURL.Problem) { _ = try TargetURL(url, httpsOnly: httpsOnly) } catch {
            throw fault(error.description)
        }
        guard seen.insert(url).inserted else { throw fault("the URL is in the list already") }
    }
    return urls
}
