internal import Cryptography
internal import HTTP
internal import LMDB
internal import Queues
internal import Storage
package import Values

/// The counts of logins, each under its own key; a count is the time at which it is over.
extension MappedQueues: QueueMaintenance {
    private enum LoginCount: UInt8 {
        case address = 1
        case user, userAtAddress, known, guess
    }

    /// Until when a wrong password is remembered.
    func guess(_ attempt: LoginAttempt, in transaction: borrowing Transaction) throws(LMDBError) -> Timestamp? {
        guard let guess = attempt.guess else { return nil }
        return try tables.logins.number(at: [LoginCount.guess.rawValue] + guess, in: transaction).map {
            Timestamp(microseconds: Int64(bitPattern: $0))
        }
    }

    func put(
        guess until: Timestamp, of attempt: LoginAttempt, in transaction: inout Transaction
    ) throws(LMDBError) {
        guard let guess = attempt.guess else { return }
        let place = [LoginCount.guess.rawValue] + guess
        try tables.logins.put(key(UInt64(bitPattern: until.microseconds)), at: place, in: &transaction)
    }

    private func loginKey(_ count: LoginCount, _ attempt: LoginAttempt) -> [UInt8]? {
        let name = Array(attempt.name.utf8)
        let subject: [UInt8]
        switch (count, attempt.network) {
        case (.user, _): subject = name
        case (.address, let network?): subject = network
        case (_, let network?): subject = [UInt8(network.count)] + network + name
        case (_, nil): return nil
        }
        return [count.rawValue] + DigestAlgorithm.sha256.digest(of: subject)
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
        _ count: LoginCount, _ attempt: LoginAttempt, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Timestamp? {
        guard let key = loginKey(count, attempt) else { return nil }
        return try tables.logins.number(at: key, in: transaction).map {
            Timestamp(microseconds: Int64(bitPattern: $0))
        }
    }

    func put(_ record: LoginRecord, of attempt: LoginAttempt, in transaction: inout Transaction) throws(LMDBError) {
        let counts: [(LoginCount, Timestamp?)] = [
            (.address, record.address), (.user, record.user), (.userAtAddress, record.userAtAddress),
            (.known, record.knownUntil),
        ]
        for (count, time) in counts {
            guard let time, let place = loginKey(count, attempt) else { continue }
            try tables.logins.put(key(UInt64(bitPattern: time.microseconds)), at: place, in: &transaction)
        }
    }

    /// Removes counts that are over; does nothing, and writes nothing, where there are none.
    /// - Parameters:
    ///   - start: the key to begin at.
    ///   - limit: how many to look at.
    /// - Returns: the key to go on at; empty where all have been looked at.
    package func forgetLogins(at now: Timestamp, from start: [UInt8], limit: Int) throws(StoreFailure) -> [UInt8] {
        var over: [[UInt8]] = []
        var next: [UInt8] = []
        try read { (transaction) throws(LMDBError) in
            var seen = 0
            try tables.logins.scan(from: start, in: transaction) { key, value in
                guard seen < limit else {
                    next = copy(key)
                    return false
                }
                seen += 1
                var reader = ByteReader(value)
                if reader.fixedSigned().map({ $0 <= now.microseconds }) ?? true { over.append(copy(key)) }
                return true
            }
        }
        guard !over.isEmpty else { return next }
        try write { (transaction) throws(LMDBError) in
            for key in over {
                // It may have been counted again meanwhile.
                guard let time = try tables.logins.number(at: key, in: transaction),
                    Int64(bitPattern: time) <= now.microseconds
                else { continue }
                try tables.logins.remove(key, in: &transaction)
            }
        }
        return next
    }
}
