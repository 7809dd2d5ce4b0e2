internal import Delivery
internal import JSON

/// URLs to which notifications may be sent on.
struct ForwardURLs: Equatable, Sendable {
    let urls: [String]
    /// The member of a client's request that has them.
    private let member: String

    init(_ urls: [String], member: String) {
        self.urls = urls
        self.member = member
    }

    /// Reads a list of texts. `null` stands for an empty one.
    init(_ json: JSON, member: String) throws(ConfigurationError) {
        let texts = json == .null ? [] : json.array?.map(\.string)
        guard let texts, texts.count <= ForwardLimits.urls, !texts.contains(nil) else {
            throw ConfigurationError(
                reason: "The member \"\(member)\" must be a list of at most \(ForwardLimits.urls) URLs.")
        }
        self.init(texts.compactMap { $0 }, member: member)
    }

    /// Refuses URLs that are too long or repeated, and those that can never be called.
    /// - Parameter known: URLs that were accepted before, whatever the rules say now.
    func check(_ rules: any URLRules, except known: Set<String> = []) throws(ConfigurationError) {
        var seen: Set<String> = []
        for (index, url) in urls.enumerated() {
            var fault: String?
            if url.utf8.count > ForwardLimits.urlBytes {
                fault = "the URL has \(url.utf8.count) bytes; at most \(ForwardLimits.urlBytes) are allowed"
            } else if !seen.insert(url).inserted {
                fault = "the URL is in the list already"
            } else if !known.contains(url) {
                fault = rules.fault(url)
            }
            if let fault { throw ConfigurationError(reason: "\(member)[\(index)]: \(fault).") }
        }
    }
}
