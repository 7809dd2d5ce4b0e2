package import Values

/// All that a store keeps as lines of JSON, which every engine can read.
package protocol StorageTransfer: AnyObject {
    /// Writes all that is kept, a line at a time, as of one moment; others may go on using the store.
    /// - Parameter leaveOut: is told of each damaged record, which is then left out, or made anew from what the others say;
    ///   `nil`: a damaged record is an error.
    func export(
        at moment: Moment, leavingOut leaveOut: ((String) -> Void)?, _ write: ([UInt8]) -> Void
    ) async throws(StoreFailure)

    /// Takes in what `export` wrote, into a store that is empty. All of it, or nothing.
    /// - Parameters:
    ///   - isIncompleteAllowed: whether an export that was cut off is taken in as far as it goes.
    ///   - leaveOut: is told of each line that does not fit the others, which is then left out; `nil`: that is an error.
    ///   - nextLine: hands out the lines one after the other.
    func `import`(
        at moment: Moment, isIncompleteAllowed: Bool, leavingOut leaveOut: ((String) -> Void)?,
        _ nextLine: () throws(ImportError) -> [UInt8]?
    ) async throws(ImportError) -> ImportCounts
}

/// Why a line cannot be imported.
package struct ImportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Counted from 1; 0 where no line is at fault.
    package let line: Int
    package let reason: String

    package init(line: Int = 0, reason: String) {
        self.line = line
        self.reason = reason
    }

    package var description: String { line == 0 ? reason : "line \(line): \(reason)" }
}

/// How much was imported.
package struct ImportCounts: Equatable, Sendable {
    package var endpoints = 0
    package var notifications = 0
    package var queues = 0
    package var messages = 0
    package var webhooks = 0
    package var subscriptions = 0
    package var deliveries = 0
    /// Whether the export had its end: all that was written is here.
    package var isComplete = false

    package init() {}
}
