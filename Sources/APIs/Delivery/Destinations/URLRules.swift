package import HTTP

/// Says whether something may be delivered to a URL.
package protocol URLRules {
    /// What is wrong with it, as the rest of a sentence; `nil` where nothing is.
    func fault(_ url: String) -> String?
}

/// Says of a URL as well where it leads.
package protocol URLChecking: URLRules {
    /// Whether what its host stands for may be called. A URL that has a `fault` may be one for the receiver alone to tell.
    /// - Parameter context: of the request that waits for it.
    func reach(_ url: String, _ context: any RequestContext) async -> Reach
}

/// Where a URL leads.
package enum Reach: Equatable, Sendable {
    /// To what may be called, or nowhere as far as is known.
    case open
    /// - Parameter reason: why it may not be called, as the rest of a sentence.
    case closed(String)
    /// Too many names are being looked up to look up this one too.
    case tooMany
}
