import JSON

/// Why a text is not a JSONPath query: what is wrong and where, for each grammar that was tried.
package struct JSONPathError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The fault in the legacy grammar; `nil` if it was not tried.
    package let legacy: Fault?
    /// The fault in the grammar of RFC 9535; `nil` if it was not tried.
    package let rfc9535: Fault?

    package struct Fault: Error, Equatable, Sendable, CustomStringConvertible {
        /// What is wrong, as the end of a sentence: "expected a name".
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

/// The error of an evaluation that has spent its budget before its end.
package struct JSONPathBudgetExceeded: Error, Equatable, Sendable {}
