package import HTTP
package import Values

/// The operations that queues need of a store. Each operation is atomic, even if the process dies in the middle.
///
/// An engine may collect the writes of several requests; they last once the engine's own `commit` has returned. A request
/// with an id can be retried: with the same id it changes nothing more and gets the same answer.
package protocol QueueStore: AnyObject {
    /// When this store was created, in seconds since 1970. A changed value tells clients that messages may have been lost.
    func time() async throws(StoreFailure) -> UInt64

    // MARK: Messages

    func queue(named name: String) async throws(StoreFailure) -> Queue?

    /// The queue as the write transaction sees it; no other process changes it before `commit`.
    func current(_ queue: Queue) async throws(StoreFailure) -> Queue?

    /// Stores a message under the next id, and removes the oldest ones while the queue exceeds its limits. Returns false and
    /// does nothing if the queue is gone or its settings have changed.
    func post(_ message: Message, to queue: Queue, for request: RequestID?) async throws(StoreFailure) -> Bool

    /// Uses up the next id for a message that is too large. Returns false and does nothing if the queue is gone or its
    /// settings have changed.
    @discardableResult
    func skip(in queue: Queue, for request: RequestID?) async throws(StoreFailure) -> Bool

    // MARK: Clients

    func user(named name: String) async throws(StoreFailure) -> User?

    /// The user as the write transaction sees it, including changes of the open turn.
    func current(userNamed name: String) async throws(StoreFailure) -> User?

    /// Makes a client of a user follow a queue, beginning after its newest message.
    func listen(
        _ client: String, of user: User, to queue: String, for request: RequestID?
    ) async throws(StoreFailure) -> Listening

    /// Removes a client; false if it does not exist.
    func unlisten(_ client: String, of user: User, for request: RequestID?) async throws(StoreFailure) -> Bool

    /// Returns the messages that a client has not read, oldest first, each to one reader of that client only.
    func read(
        _ client: String, of user: User, _ how: Reading, for request: RequestID?
    ) async throws(StoreFailure) -> ReadOutcome

    /// Reads the messages of a range after `id`, until `bytes` bytes are read; the last one may be incomplete.
    /// - Returns: `nil` if the next messages of the range have rolled off.
    func page(of range: MessageRange, after id: UInt64, atMost bytes: Int) async throws(StoreFailure) -> [MessagePiece]?

    /// Reads bytes of a message; `nil` if it has rolled off.
    func body(of range: MessageRange, at id: UInt64, bytes: Range<Int>) async throws(StoreFailure) -> [UInt8]?

    /// Undoes a read whose answer could not be completed because messages rolled off: the client's next read tells it that
    /// messages were lost.
    func takeBack(_ range: MessageRange, of client: String, _ user: User) async throws(StoreFailure)

    /// For each client of a user: whether `read` would return anything other than an empty list.
    func hasNews(for clients: [(name: String, user: User)]) async throws(StoreFailure) -> [Bool]

    /// Marks messages as read, up to and including `id`.
    func acknowledge(
        through id: UInt64, by client: String, of user: User
    ) async throws(StoreFailure) -> Acknowledgement

    /// A user's queues by name, and its clients in a fixed order.
    /// - Parameters:
    ///   - key: the list begins after this client; empty for all.
    ///   - limit: the most clients to return.
    func overview(of user: User, after key: [UInt8], limit: Int) async throws(StoreFailure) -> QueueOverview

    /// The newest messages of a queue, newest first. No cursor moves.
    /// - Parameters:
    ///   - id: only messages with lower ids are returned; `nil`: all.
    ///   - limit: the most messages to return.
    /// - Returns: `nil` if there is no such queue, or the user may not read it.
    func peek(
        at queue: String, for user: User, before id: UInt64?, limit: Int
    ) async throws(StoreFailure) -> QueuePeek?

    /// A message of a queue, whatever the clients have read of it. A long one is incomplete.
    func message(_ id: UInt64, of queue: String, for user: User) async throws(StoreFailure) -> MessageLookup

    // MARK: Logins

    /// The record of earlier logins, including those of the open turn.
    func logins(_ attempt: LoginAttempt) async throws(StoreFailure) -> LoginRecord

    /// Counts a failure, unless the same wrong password was counted recently (`LoginAttempt.guess`).
    func recordFailure(_ attempt: LoginAttempt, at now: Timestamp) async throws(StoreFailure)

    func recordSuccess(_ attempt: LoginAttempt, at now: Timestamp) async throws(StoreFailure)

    /// A hash for each kind of work that users' hashes take (`PasswordHash.work`), in any order.
    func hashesInForce() async throws(StoreFailure) -> [PasswordHash]

    // MARK: Configuration

    /// Changes whenever a different configuration or password comes into force.
    func configurationRevision() async throws(StoreFailure) -> UInt64

    /// Applies a configuration. Queues that are in both the old and the new one keep their messages, ids and clients; users
    /// that are in both keep their clients.
    /// - Parameter revision: the value of `configurationRevision` before the configuration was read; `nil`: do not check it.
    /// - Returns: false, and nothing is done, if the revision has changed: the configuration in force may be newer.
    func configure(
        _ configuration: QueueConfiguration, since revision: UInt64?, for request: RequestID?
    ) async throws(StoreFailure) -> Bool

    /// Changes the password of a user; does nothing for a user that is not in force.
    /// - Parameter login: the user that the request has logged in as, whose password must still be the same, or already
    ///   be the new one; `nil`: no login is needed.
    /// - Returns: false, and nothing is done, if the login is no longer valid.
    func setPassword(
        of user: String, to hash: PasswordHash, by login: User?, for request: RequestID?
    ) async throws(StoreFailure) -> Bool

    /// Whether a request was done before that may have changed its own login, or its right to make the request.
    func hasConfigured(_ request: RequestID?) async throws(StoreFailure) -> Bool
}

package enum Listening: Equatable, Sendable {
    case listening
    /// There is no queue of that name that the user may listen to.
    case unknownQueue
    /// The client already follows a queue.
    case inUse
}

/// The options of a read.
package struct Reading: Equatable, Sendable {
    /// The most messages to return.
    package var limit: Int
    /// Whether messages are returned again until they are acknowledged.
    package var isManual: Bool
    /// Whether the caller can accept `ReadOutcome.long`.
    package var mayBeLong = true

    package init(limit: Int = .max, isManual: Bool = false) {
        self.limit = limit
        self.isManual = isManual
    }
}

/// Messages of one queue after `after`, up to and including `last`.
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

/// A message whose body may be incomplete.
package struct MessagePiece: Equatable, Sendable {
    package let numbered: NumberedMessage
    /// The length of the whole message.
    package let bodyBytes: Int

    package init(numbered: NumberedMessage, bodyBytes: Int) {
        self.numbered = numbered
        self.bodyBytes = bodyBytes
    }

    package var isWhole: Bool { numbered.message.body.count == bodyBytes }
}

package enum ReadOutcome: Equatable, Sendable {
    case unknownClient
    /// The queue is gone, or the user may no longer listen to it.
    case disconnected
    /// Messages that the client has not read are no longer kept. `current` is the last assigned id.
    case lost(current: UInt64)
    case messages([NumberedMessage], current: UInt64)
    /// More messages than are read at once.
    case long(MessageRange, current: UInt64)
    /// The result would be `.long`, which the caller cannot accept; nothing is changed.
    case tooLong

    /// The most bytes of records that are read at once.
    package static let shortBytes = 16 << 10
}

/// The newest messages of a queue.
package struct QueuePeek: Equatable, Sendable {
    package let log: QueueLog
    /// Newest first. Of each message, at most `shownBytes` bytes.
    package let messages: [MessagePiece]
    /// The id before which to continue; `nil` if there are no older messages.
    package let next: UInt64?

    /// The most bytes of one message that are returned.
    package static let shownBytes = 4 << 10
    /// No further message is returned after this many bytes, of messages or of their JSON.
    package static let allBytes = 64 << 10

    package init(log: QueueLog, messages: [MessagePiece], next: UInt64?) {
        self.log = log
        self.messages = messages
        self.next = next
    }
}

package enum MessageLookup: Equatable, Sendable {
    /// There is no such queue, or the user may not read it.
    case unknownQueue
    /// The queue does not keep a message with this id.
    case unknownMessage
    /// The message, and a range that has nothing else. The piece has at most `ReadOutcome.shortBytes` bytes of it.
    case found(MessagePiece, MessageRange)
}

package enum Acknowledgement: Equatable, Sendable {
    case done
    case unknownClient
    case disconnected
    /// The id has not been assigned yet.
    case unknownMessage
}

package struct QueueOverview: Equatable, Sendable {
    package struct QueueEntry: Equatable, Sendable {
        package let settings: QueueSettings
        package let log: QueueLog
        /// When the oldest message in the queue was received.
        package let oldest: Timestamp?
        /// When the newest message in the queue was received.
        package let newest: Timestamp?

        package init(settings: QueueSettings, log: QueueLog, oldest: Timestamp?, newest: Timestamp?) {
            self.settings = settings
            self.log = log
            self.oldest = oldest
            self.newest = newest
        }

        package var name: String { settings.name }
    }

    package struct ClientEntry: Equatable, Sendable {
        package let name: String
        /// `nil` if the queue is gone.
        package let queue: String?
        package let isConnected: Bool
        /// The id of the last message it has read.
        package let cursor: UInt64
        /// How many messages it has not read (`QueueLog.lag`); `nil` if it is disconnected.
        package let lag: UInt64?
        /// When the oldest message that it has not read was received; `nil` if there is none, or it is disconnected.
        package let oldestUnread: Timestamp?
        /// Whether messages that it has not read are no longer kept.
        package let hasLost: Bool

        package init(
            name: String, queue: String?, isConnected: Bool, cursor: UInt64, lag: UInt64?, oldestUnread: Timestamp?,
            hasLost: Bool
        ) {
            self.name = name
            self.queue = queue
            self.isConnected = isConnected
            self.cursor = cursor
            self.lag = lag
            self.oldestUnread = oldestUnread
            self.hasLost = hasLost
        }
    }

    package let queues: [QueueEntry]
    package let clients: [ClientEntry]
    /// The client after which to continue; `nil` at the end.
    package let next: [UInt8]?

    package init(queues: [QueueEntry], clients: [ClientEntry], next: [UInt8]?) {
        self.queues = queues
        self.clients = clients
        self.next = next
    }
}
