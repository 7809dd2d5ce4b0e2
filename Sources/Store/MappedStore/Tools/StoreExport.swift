internal import Capture
internal import Encodings
internal import HTTP
internal import JSON
internal import LMDB
package import Values

extension MappedStore {
    /// Writes all stored data as JSON, a line at a time, as of one moment. Other processes may go on using the store.
    ///
    /// The first line identifies the export. Then come the counters, each endpoint followed by its uncollected
    /// notifications, each queue followed by its messages, each user followed by its clients, and the webhooks with their
    /// deliveries. The export contains password hashes and keys. Bytes that are not UTF-8 are in a member named `…Base64`.
    /// The last line counts the lines before it, by kind: an export that was cut off does not have it.
    /// - Parameter leaveOut: called for each damaged record, which is then left out or rebuilt from other records; `nil`: a
    ///   damaged record is an error.
    package func export(
        at moment: Moment, leavingOut leaveOut: ((String) -> Void)? = nil, _ write: ([UInt8]) -> Void
    ) throws(StoreFailure) {
        let salvage = Salvage(leaveOut: leaveOut)
        var counts: [String: UInt64] = [:]
        func line(_ kind: String, _ body: (inout JSONWriter) -> Void) {
            counts[kind, default: 0] += 1
            write(
                objectJSON { json in
                    json.member("kind", kind)
                    body(&json)
                })
        }
        try read { (transaction) throws(LMDBError) in
            line("postroom") { json in
                json.member("schema", Self.schemaVersion)
                json.member("exportedAt", moment.wall)
            }
            let counters =
                try salvage.take("the counters") { () throws(LMDBError) in
                    try tables.captureState.value(in: transaction)
                }?.counters ?? CaptureCounters()
            line("counters") { json in
                for event in CaptureEvent.allCases { json.member("\(event)", counters[event]) }
            }
            try capture.exportEndpoints(at: moment, salvage, in: transaction, line)
            try queues.exportQueues(salvage, in: transaction, line)
            try exportWebhooks(at: moment, salvage, in: transaction, line)
            let lines = counts.sorted { $0.key < $1.key }
            line("end") { json in
                json.member("counts") { json in
                    for (kind, count) in lines { json.member(kind, count) }
                }
            }
        }
    }
}

extension MappedDomain {
    func numbers<Record>(
        in table: RecordTable<Record>, _ transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64] where Record.Key == UInt64 {
        var numbers: [UInt64] = []
        try table.scanKeys(in: transaction) { number in
            if number < .max { numbers.append(number) }
            return true
        }
        return numbers
    }
}

/// How an export deals with records that are damaged.
struct Salvage {
    let leaveOut: ((String) -> Void)?

    /// Whether a damaged record is an error.
    var isStrict: Bool { leaveOut == nil }

    func note(_ what: String) { leaveOut?(what) }

    /// Returns `nil` for a record that is damaged and left out, as for a missing one.
    func take<Value>(
        _ subject: @autoclosure () -> String, _ body: () throws(LMDBError) -> Value?
    ) throws(LMDBError) -> Value? {
        do throws(LMDBError) {
            return try body()
        } catch {
            guard error.isRecordDamage else { throw error }
            let subject = subject()
            guard let leaveOut else { throw .damaged(subject) }
            leaveOut(subject)
            return nil
        }
    }
}

/// Members of an export.
extension JSONWriter {
    mutating func member(_ name: String, _ time: Timestamp) { member(name, time.iso8601()) }

    /// Bytes as text if they are UTF-8; otherwise as base64, in a member named `…Base64`.
    mutating func member(_ name: String, bytes: some Collection<UInt8>) {
        if let text = String(validating: bytes, as: UTF8.self) {
            member(name, text)
        } else {
            member(name + "Base64", Base64.standard.encode(bytes))
        }
    }
}
