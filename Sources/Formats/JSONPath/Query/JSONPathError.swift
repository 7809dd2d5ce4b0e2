import JSON

/// Why a text is no JSONPath query: for each grammar that was tried, what is wrong, and where.
package struct JSONPathError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `nil` where the legacy grammar was not tried.
    package let legacy: Fault?
    /// `nil` where the grammar of RFC 9535 was not tried.
    package let rfc9535: Fault?

    package struct Fault: Error, Equatable, Sendable, CustomStringConvertible {
        /// What is wrong, as the end of a sentence: "a name was expected".
        package let reason: String
        /// Bytes before the fault.
        package let offset: Int
        /// Counted from 1; columns are bytes.
        package let line: Int
        package let column: Int

        init(_ reason: String, at offset: Int, in text: [UInt8]) {
            let position = TextPosition(of: offset, in: text)
            self.reason = reason
            self.offset = offset
            self.line = position.line
            self.column = position.column
        }

        package var description: String { "line \(line), column \(column): \(reason)" }
    }

    package var description: String {
        let faults = [rfc9535.map { "as RFC 9535, \($0)" }, legacy.map { "in the legacy dialect, \($0)" }]
        return faults.compactMap(\.self).joined(separator: "; ")
    }
}

/// The budget of an evaluation was spent before it came to its end.
package struct JSONPathBudgetExceeded: Error, Equatable, Sendable {}
