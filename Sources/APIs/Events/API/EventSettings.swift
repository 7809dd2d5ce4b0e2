/// What this API goes by.
package struct EventSettings: Equatable, Sendable {
    /// Who says who the user is.
    package enum UserSource: String, Equatable, Sendable, CaseIterable {
        /// Nobody: everyone is the default user, and a header that says otherwise is not believed.
        case none
        /// The server in front, by the header `userHeader`.
        case header
        /// nginx, by the user name and password that it has checked.
        case basic
        /// nginx, by the common name of the client's certificate.
        case certificate
    }

    package var userSource = UserSource.none
    package var userHeader = "Http-Remote-User"
    package var defaultUser = "default_user"
    /// Of an event, or of a batch of them.
    package var maximumEventBytes = 16 << 20
    /// Of a subscription or a replay in a request's body.
    package var maximumInputBytes = 1 << 20
    /// Those that are taken over from elsewhere may be more.
    package var subscriptionsPerUser = 100_000
    /// Attempts at a time for one subscription.
    package var inFlight = 16
    /// Where it is asked whether a user may see an event; `nil`: nobody is asked.
    package var policyURL: String?
    /// Who may send events after asking by OPTIONS: names of hosts, or `*`; empty: nobody is told that it may.
    package var allowedOrigins: [String] = []
    /// Events a minute that such a sender may send; `nil`: as many as it likes.
    package var allowedRate: Int?
    /// Whether an event with the source and the id of one that is still kept is the same event, and not kept again.
    package var deduplicates = false
    /// This program's.
    package let version: String

    package init(version: String) { self.version = version }
}
