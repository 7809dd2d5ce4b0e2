package import HTTP
package import Values

/// What queues need of a store. Each operation is whole: it happens or it does not, also when the process dies in it.
///
/// An engine may gather what several requests write; it is kept for good once the engine's own `commit` has returned.
/// Where a request has an id, doing it again with the same id changes nothing and answers the same.
package protocol QueueStore: AnyObject {
    /// When this store began, in seconds since 1970. Another value tells clients that messages may have been lost.
    func time() async throws(StoreFailure) -> UInt64

    // MARK: Messages

    func queue(named name: String) async throws(StoreFailure) -> Queue?

    /// A queue as it is in the transaction that writes; no other process changes it before `commit`.
    func current(_ queue: Queue) async throws(StoreFailure) -> Queue?

    /// Keeps a message under the next id, and lets the oldest roll off where the queue has become too large; false, and
    /// nothing done, where the queue is gone or its settings are other ones by now.
    func post(_ message: Message, to queue: Queue, for request: RequestID?) async throws(StoreFailure) -> Bool

    /// Uses up the next id for a message that is too large; false, and nothing done, where the queue is gone or its settings
    /// are other ones by now.
    @discardableResult
    func skip(in queue: Queue, for request: RequestID?) async throws(StoreFailure) -> Bool

    // MARK: Clients

    func user(named name: String) async throws(StoreFailure) -> User?

    /// A user as it is in the transaction that writes: what the open turn has changed counts.
    func current(userNamed name: String) async throws(StoreFailure) -> User?

    /// Has a client of a user's follow a queue, from its newest message on.
    func listen(
        _ client: String, of user: User, to queue: String, for request: RequestID?
    ) async throws(StoreFailure) -> Listening

    /// Forgets a client; false where there is none.
    func unlisten(_ client: String, of user: User, for request: RequestID?) async throws(StoreFailure) -> Bool

    /// Hands out what a client has not read yet, oldest first, each message to one reader of that client only.
    func read(
        _ client: String, of user: User, _ how: Reading, for request: RequestID?
    ) async throws(StoreFailure) -> ReadOutcome

    /// Reads the messages of a range behind `id`, until so many bytes were read; of the last one perhaps only the beginning.
    /// - Returns: `nil` where messages of the range that come next have rolled off.
    func page(of range: MessageRange, after id: UInt64, atMost bytes: Int) async throws(StoreFailure) -> [MessagePiece]?

    /// Reads bytes of a message; `nil` where it has rolled off.
    func body(of range: MessageRange, at id: UInt64, bytes: Range<Int>) async throws(StoreFailure) -> [UInt8]?

    /// Takes back a read whose answer could not be made to its end, as messages rolled off meanwhile: the client's next read
    /// tells it that messages were lost.
    func takeBack(_ range: MessageRange, of client: String, _ user: User) async throws(StoreFailure)

    /// Whether `read` would find something else than that there is nothing new: for each client of a user.
    func hasNews(for clients: [(name: String, user: User)]) async throws(StoreFailure) -> [Bool]

    /// Counts messages as read, up to and with `id`.
    func acknowledge(
        through id: UInt64, by client: String, of user: User
    ) async throws(StoreFailure) -> Acknowledgement

    /// A user's queues by name, and its clients in an order of their own.
    /// - Parameters:
    ///   - key: only clients behind this one; empty for all.
    ///   - limit: how many clients at the most.
    func overview(of user: User, after key: [UInt8], limit: Int) async throws(StoreFailure) -> QueueOverview

    // MARK: Logins

    /// What is known of earlier logins, those of the open turn among them.
    func logins(_ attempt: LoginAttempt) async throws(StoreFailure) -> LoginRecord

    /// Counts a failure, unless the same wrong password has been counted not long ago (`LoginAttempt.guess`).
    func recordFailure(_ attempt: LoginAttempt, at now: Timestamp) async throws(StoreFailure)

    func recordSuccess(_ attempt: LoginAttempt, at now: Timestamp) async throws(StoreFailure)

    /// A hash for each kind of work that users' hashes take (`PasswordHash.work`), in no certain order.
    func hashesInForce() async throws(StoreFailure) -> [PasswordHash]

    // MARK: Configuration

    /// Differs whenever another configuration or password has been put in force; the same one again makes no difference.
    func configurationRevision() async throws(StoreFailure) -> UInt64

    /// Puts a configuration in force: queues that are in both keep their messages, ids and clients, users theirs.
    /// - Parameter revision: what `configurationRevision` was before the configuration was read; `nil`: whatever it was.
    /// - Returns: false, and nothing done, where it is another one by now: what was put in force since may be newer.
    func configure(
        _ configuration: QueueConfiguration, since revision: UInt64?, for request: RequestID?
    ) async throws(StoreFailure) -> Bool

    /// Changes the password of a user; nothing is done for one that is not in force.
    /// - Parameter login: the user that the request has logged in as, whose password must still be the same, or be this one
    ///   already; `nil`: no login is needed.
    /// - Returns: false, and nothing done, where the login is no longer right.
    func setPassword(
        of user: String, to hash: PasswordHash, by login: User?, for request: RequestID?
    ) async throws(StoreFailure) -> Bool

    /// Whether a request was done that changed its own login, or its right to be there.
    func hasConfigured(_ request: RequestID?) async throws(StoreFailure) -> Bool
}

package enum Listening: Equatable, Sendable {
    case listening
    /// There is none of that name that the user may listen to.
    case unknownQueue
    /// The client follows a queue already.
    case inUse
}

/// How to read.
package struct Reading: Equatable, Sendable {
    /// How many messages at the most.
    package var limit: Int
    /// The messages are handed out again until they are acknowledged.
    package var isManual: Bool
    /// Whether the caller can take `ReadOutcome.long`.
    package var mayBeLong = true

    package init(limit: Int = .max, isManual: Bool = false) {
        self.limit = limit
        self.isManual = isManual
    }
}

/// Messages of one queue behind `after`, up to and with `last`.
package struct MessageRange: Equatable, Sendable {
    /// The queue's number.
    package let queue: UInt64
    package let after: UInt64
    package let last: UInt64

    package init(queue: UInt64, after: UInt64, last: UInt64) {
        self.queue = queue
        self.after = after
        self.last = last
    }
}

/// A message, or one of which only the beginning was read.
package struct MessagePiece: Equatable, Sendable {
    package let numbered: NumberedMessage
    /// Bytes of the whole message.
    package let bodyBytes: Int

    package init(numbered: NumberedMessage, bodyBytes: Int) {
        self.numbered = numbered
        self.bodyBytes = bodyBytes
    }

    package var isWhole: Bool { numbered.message.body.count == bodyBytes }
}

package enum ReadOutcome: Equatable, Sendable {
    case unknownClient
    /// The queue has gone, or the user's right to it.
    case disconnected
    /// Messages that the client should have read are no longer there. `current` is the id given out last.
    case lost(current: UInt64)
    case messages([NumberedMessage], current: UInt64)
    /// More than is read at once.
    case long(MessageRange, current: UInt64)
    /// It would be long, which the caller cannot take; nothing is changed.
    case tooLong

    /// Bytes of records that are read at once.
    package static let shortBytes = 16 << 10
}

package enum Acknowledgement: Equatable, Sendable {
    case done
    case unknownClient
    case disconnected
    /// The id has not been given out yet.
    case unknownMessage
}

package struct QueueOverview: Equatable, Sendable {
    package struct QueueEntry: Equatable, Sendable {
        package let name: String
        package let log: QueueLog
        /// When the oldest message that is kept was received.
        package let oldest: Timestamp?

        package init(name: String, log: QueueLog, oldest: Timestamp?) {
            self.name = name
            self.log = log
            self.oldest = oldest
        }
    }

    package struct ClientEntry: Equatable, Sendable {
        package let name: String
        /// `nil` where the queue is gone.
        package let queue: String?
        package let isConnected: Bool
        /// The id of the last message it has read.
        package let cursor: UInt64
        /// How many ids were given out since; `nil` where it is disconnected.
        package let lag: UInt64?

        package init(name: String, queue: String?, isConnected: Bool, cursor: UInt64, lag: UInt64?) {
            self.name = name
            self.queue = queue
            self.isConnected = isConnected
            self.cursor = cursor
            self.lag = lag
        }
    }

    package let queues: [QueueEntry]
    package let clients: [ClientEntry]
    /// Behind which client to go on; `nil` where these were the last.
    package let next: [UInt8]?

    package init(queues: [QueueEntry], clients: [ClientEntry], next: [UInt8]?) {
        self.queues = queues
        self.clients = clients
        self.next = next
    }
}
