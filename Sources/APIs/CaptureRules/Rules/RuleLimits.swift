/// The bounds of rules, in number, size and time.
package enum RuleLimits {
    /// The most rules of an endpoint.
    package static let rules = 100
    /// The most answers of a sequence.
    package static let sequence = 50
    /// The most methods of a condition, and the most header or query fields.
    package static let conditionFields = 20
    /// The most bytes of a pattern for paths, and of a name or value that a condition compares.
    package static let conditionBytes = 1024
    /// The most bytes of a JSONPath query, in a condition or a placeholder.
    package static let queryBytes = 1024
    /// The most header fields of an answer.
    package static let headers = 20
    /// The most bytes of a header's name.
    package static let headerNameBytes = 128
    /// The most bytes of a header's value, before and after its placeholders are replaced.
    package static let headerValueBytes = 4096
    /// The most bytes of a body as it is written in a rule.
    package static let writtenBodyBytes = 32 << 10
    /// The most bytes of a body after its placeholders are replaced.
    package static let bodyBytes = 256 << 10
    /// The most placeholders in one text.
    package static let placeholders = 20
    /// The longest delay of an answer: the web server waits 90 seconds for one.
    package static let delayMilliseconds = 30_000
    /// The most bytes of all rules, recipes and verification of an endpoint, as JSON.
    package static let settingsBytes = 128 << 10
}
