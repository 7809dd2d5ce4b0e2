internal import HTTP
internal import LMDB
package import Queues
package import Values

/// Failed and accepted logins of the users of queues.
extension MappedQueues {
    package func logins(_ attempt: LoginAttempt) throws(StoreFailure) -> LoginRecord {
        // Failures of the open turn count too: otherwise guesses sent all at once would not be limited.
        let stored =
            if turn.haveFailed {
                try write { (transaction) throws(LMDBError) in try loginRecord(attempt, in: transaction) }
            } else {
                try read { (transaction) throws(LMDBError) in try loginRecord(attempt, in: transaction) }
            }
        return loginsWithoutRoom.isEmpty ? stored : loginsWithoutRoom.adding(to: stored, attempt)
    }

    package func recordFailure(_ attempt: LoginAttempt, at now: Timestamp) throws(StoreFailure) {
        // Write nothing for a client that keeps using an old password.
        if try read({ (transaction) throws(LMDBError) in try guess(attempt, in: transaction) })
            .map({ LoginLimits.isRepeated($0, at: now) && !LoginLimits.isDue($0, at: now) }) ?? false
        {
            return
        }
        if loginsWithoutRoom.isRepeated(attempt, at: now) { return }
        var isCounted = true
        var record = LoginRecord()
        var isStored = false
        do throws(StoreFailure) {
            isStored = try write { (transaction) throws(LMDBError) in
                let earlier = try guess(attempt, in: transaction)
                isCounted = !LoginLimits.isRepeated(earlier, at: now)
                guard isCounted || LoginLimits.isDue(earlier, at: now) else { return true }
                record = try loginRecord(attempt, in: transaction)
                guard try admit(bytes: 256, in: &transaction) else { return false }
                try put(guess: now.adding(seconds: LoginLimits.guessSeconds), of: attempt, in: &transaction)
                guard isCounted else { return true }
                try put(LoginLimits.failed(record, at: now), of: attempt, in: &transaction)
                return true
            }
        } catch {
            guard error == .full, !core.isTurnBroken else { throw error }
        }
        guard isCounted else { return }
        turn.haveFailed = true
        // If the store has no room for a failure, only this process counts it.
        if !isStored { loginsWithoutRoom.fail(attempt, at: now, after: record) }
    }

    package func recordSuccess(_ attempt: LoginAttempt, at now: Timestamp) throws(StoreFailure) {
        do throws(StoreFailure) {
            try write { (transaction) throws(LMDBError) in
                let record = try loginRecord(attempt, in: transaction)
                guard let changed = LoginLimits.succeeded(record, at: now) else { return }
                try put(changed, of: attempt, in: &transaction)
            }
        } catch {
            // A full store must not prevent reading.
            guard error == .full, !core.isTurnBroken else { throw error }
        }
    }

    package func hashesInForce() throws(StoreFailure) -> [PasswordHash] {
        try read { (transaction) throws(LMDBError) in
            var hashes: [String: PasswordHash] = [:]
            try tables.users.scan(in: transaction) { _, user in
                if let hash = user?.hash { hashes[hash.work] = hash }
                return true
            }
            return Array(hashes.values)
        }
    }
}
