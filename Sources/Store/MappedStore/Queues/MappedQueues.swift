/// Queues with their messages, users, clients and logins.
package final class MappedQueues: MappedDomain {
    let core: StoreCore
    let turn = TurnLogins()
    /// Failed logins that the store had no room for.
    var loginsWithoutRoom = LoginsWithoutRoom()

    init(_ core: StoreCore) {
        self.core = core
        core.join(turn)
    }
}

/// The logins of the open turn.
final class TurnLogins: TurnParticipant {
    /// Whether the open transaction has counted a failed login.
    var haveFailed = false

    func turnEnded() { haveFailed = false }
}
