package import Values

/// Export and import of a store as lines of JSON, which every engine can read.
package protocol StorageTransfer: AnyObject {
    /// Writes everything in the store, a line at a time, as of one moment; others may keep using the store.
    /// - Parameter leaveOut: called for each damaged record, which is then left out, or rebuilt from other records;
    ///   `nil`: a damaged record is an error.
    func export(
        at moment: Moment, leavingOut leaveOut: ((String) -> Void)?, _ write: ([UInt8]) -> Void
    ) async throws(StoreFailure)

    /// Reads what `export` wrote into an empty store, all of it or nothing.
    /// - Parameters:
    ///   - isIncompleteAllowed: whether a truncated export is imported as far as it goes.
    ///   - leaveOut: called for each line that does not fit the others, which is then left out; `nil`: that is an error.
    ///   - nextLine: returns the lines one after the other.
    func `import`(
        at moment: Moment, isIncompleteAllowed: Bool, leavingOut leaveOut: ((String) -> Void)?,
        _ nextLine: () throws(ImportError) -> [UInt8]?
    ) async throws(ImportError) -> ImportCounts
}

/// Why a line cannot be imported.
package struct ImportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Counted from 1; 0 if the error is not in a line.
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
    /// Whether the export's last line was read: everything that was exported is here.
    package var isComplete = false

    package init() {}
}
