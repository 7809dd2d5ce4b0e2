internal import JSONPath

/// A JSONPath query (RFC 9535) on a whole request, by which a client waits for a certain one.
///
/// The query is about an object `{method, url, path, query, headers, json, form}`; `RequestDocument` describes it. A request
/// matches if the query selects anything, be it `null` or `false`.
package struct RequestMatch: Sendable {
    private let path: JSONPath

    /// The most bytes of an expression.
    package static let maximumBytes = 4096
    /// The most steps of the evaluation on one request: a few milliseconds.
    package static let steps = 1_000_000

    /// - Throws: why the expression is refused, as a sentence.
    package init(_ text: String) throws(InvalidMatch) {
        guard text.utf8.count <= Self.maximumBytes else {
            throw InvalidMatch(reason: "The expression must have at most \(Self.maximumBytes) bytes.")
        }
        do throws(JSONPathError) {
            path = try JSONPath(parsing: text, dialect: .rfc9535)
        } catch {
            throw InvalidMatch(reason: "The expression is not a JSONPath query: \(error).")
        }
    }

    /// False also if the evaluation would take more steps than allowed.
    package func matches(_ document: RequestDocument) -> Bool {
        (try? path.matches(document.document, budget: Self.steps)) ?? false
    }
}

package struct InvalidMatch: Error, Equatable, Sendable {
    package let reason: String
}
