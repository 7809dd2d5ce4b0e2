/// The settings of this API.
package struct EventSettings: Equatable, Sendable {
    /// Where the name of a request's user comes from.
    package enum UserSource: String, Equatable, Sendable, CaseIterable {
        /// Every request has the default user; a header that names a user is ignored.
        case none
        /// The server in front sets it in the header `userHeader`.
        case header
        /// nginx has checked a user name and password.
        case basic
        /// nginx has checked a client certificate; its common name is the user.
        case certificate
    }

    package var userSource = UserSource.none
    package var userHeader = "Http-Remote-User"
    package var defaultUser = "default_user"
    /// The size limit of an event, or of a batch of events.
    package var maximumEventBytes = 16 << 20
    /// The size limit of a body with a subscription or a replay.
    package var maximumInputBytes = 1 << 20
    /// The most subscriptions that a user can create; an import from another service may exceed it.
    package var subscriptionsPerUser = 100_000
    /// The most attempts in flight for one subscription.
    package var inFlight = 16
    /// The policy service, which decides whether a user may see an event; `nil`: none is asked.
    package var policyURL: String?
    /// The origins that may send events, when they ask by OPTIONS: host names, or `*`; empty: all are refused.
    package var allowedOrigins: [String] = []
    /// The events a minute that such a sender may send; `nil`: unlimited.
    package var allowedRate: Int?
    /// Whether an event with the same source and id as a stored event is treated as that event, and not stored again.
    package var deduplicates = false
    /// The version of this program.
    package let version: String

    package init(version: String) { self.version = version }
}
