internal import Capture
internal import Encodings
internal import HTTP
internal import JSON
internal import LMDB
package import Values

extension MappedStore {
    /// Writes all that is kept as JSON, a line at a time, as of one moment; others may go on using the store.
    ///
    /// The first line says what it is. Then come the counters, each endpoint with its uncollected notifications behind it,
    /// each queue with its messages, each user with its clients, and webhooks with their deliveries. Password hashes and
    /// keys are among it. Bytes that are no UTF-8 stand in a member named `…Base64`. The last line counts the lines before it,
    /// by kind: an export that was cut off does not have it.
    /// - Parameter leaveOut: is told of each damaged record, which is then left out, or made anew from what the others say;
    ///   `nil`: a damaged record is an error.
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

    /// Returns `nil` for a record that is damaged and left out, as for one that is not there.
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

    /// Bytes as text where they are text.
    mutating func member(_ name: String, bytes: some Collection<UInt8>) {
        if let text = String(validating: bytes, as: UTF8.self) {
            member(name, text)
        } else {
            member(name + "Base64", Base64.standard.encode(bytes))
        }
    }
}
