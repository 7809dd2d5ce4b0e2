internal import Cryptography
internal import HTTP
internal import LMDB
internal import Queues
internal import Storage
package import Values

/// A kind of login count, and the digest of the subject that is counted.
struct LoginKey: TableKey, Equatable {
    enum Count: UInt8 {
        case address = 1
        case user, userAtAddress, known, guess
    }

    let count: Count
    let subject: [UInt8]

    /// - Parameter digest: 32 bytes.
    init(_ count: Count, digest: [UInt8]) {
        self.count = count
        subject = digest
    }

    func write(to writer: inout ByteWriter) {
        writer.byte(count.rawValue)
        writer.rest(subject)
    }

    init?(from reader: inout ByteReader) {
        guard let count = reader.byte().flatMap(Count.init(rawValue:)), let subject = reader.take(32) else {
            return nil
        }
        self.init(count, digest: subject)
    }
}

/// The time at which a count of logins ends.
enum LoginCountRecord: TableRecord {
    static let name = "the counter of a login"

    static func encode(_ end: Timestamp) -> [UInt8] {
        var writer = ByteWriter(reserving: 8)
        writer.fixed(end.microseconds)
        return writer.bytes
    }

    static func decode(_ bytes: RawSpan, at key: LoginKey) -> Timestamp? {
        var reader = ByteReader(bytes)
        return reader.time()
    }
}

/// The counts of logins, each under its own key.
extension MappedQueues: QueueMaintenance {
    /// The time until which a wrong password is remembered.
    func guess(_ attempt: LoginAttempt, in transaction: borrowing Transaction) throws(LMDBError) -> Timestamp? {
        guard let guess = attempt.guess else { return nil }
        return try tables.logins.value(at: LoginKey(.guess, digest: guess), in: transaction)
    }

    func put(
        guess until: Timestamp, of attempt: LoginAttempt, in transaction: inout Transaction
    ) throws(LMDBError) {
        guard let guess = attempt.guess else { return }
        try tables.logins.put(until, at: LoginKey(.guess, digest: guess), in: &transaction)
    }

    private func loginKey(_ count: LoginKey.Count, _ attempt: LoginAttempt) -> LoginKey? {
        let name = Array(attempt.name.utf8)
        let subject: [UInt8]
        switch (count, attempt.network) {
        case (.user, _): subject = name
        case (.address, let network?): subject = network
        case (_, let network?): subject = [UInt8(network.count)] + network + name
        case (_, nil): return nil
        }
        return LoginKey(count, digest: DigestAlgorithm.sha256.digest(of: subject))
    }

    func loginRecord(_ attempt: LoginAttempt, in transaction: borrowing Transaction) throws(LMDBError) -> LoginRecord {
        guard try tables.logins.count(in: transaction) > 0 else { return LoginRecord() }
        var record = LoginRecord()
        record.address = try loginTime(.address, attempt, in: transaction)
        record.user = try loginTime(.user, attempt, in: transaction)
        record.userAtAddress = try loginTime(.userAtAddress, attempt, in: transaction)
        record.knownUntil = try loginTime(.known, attempt, in: transaction)
        return record
    }

    private func loginTime(
        _ count: LoginKey.Count, _ attempt: LoginAttempt, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Timestamp? {
        guard let key = loginKey(count, attempt) else { return nil }
        return try tables.logins.value(at: key, in: transaction)
    }

    func put(_ record: LoginRecord, of attempt: LoginAttempt, in transaction: inout Transaction) throws(LMDBError) {
        let counts: [(LoginKey.Count, Timestamp?)] = [
            (.address, record.address), (.user, record.user), (.userAtAddress, record.userAtAddress),
            (.known, record.knownUntil),
        ]
        for (count, time) in counts {
            guard let time, let key = loginKey(count, attempt) else { continue }
            try tables.logins.put(time, at: key, in: &transaction)
        }
    }

    /// Removes counts that have ended. Writes nothing if there is nothing to remove.
    /// - Parameters:
    ///   - start: the key to begin at.
    ///   - limit: how many counts to look at.
    /// - Returns: the key to continue at; empty if all counts have been looked at.
    package func forgetLogins(at now: Timestamp, from start: [UInt8], limit: Int) throws(StoreFailure) -> [UInt8] {
        var over: [LoginKey] = []
        var next: [UInt8] = []
        try read { (transaction) throws(LMDBError) in
            var seen = 0
            try tables.logins.scan(from: LoginKey(keyBytes: start), in: transaction) { key, end in
                guard seen < limit else {
                    next = key.keyBytes
                    return false
                }
                seen += 1
                if end.map({ $0 <= now }) ?? true { over.append(key) }
                return true
            }
        }
        guard !over.isEmpty else { return next }
        try write { (transaction) throws(LMDBError) in
            for key in over {
                // The count may have been renewed meanwhile.
                guard try tables.logins.readable(at: key, in: transaction).map({ $0 <= now }) ?? true else { continue }
                try tables.logins.remove(key, in: &transaction)
            }
        }
        return next
    }
}
