internal import Linux
internal import SystemPackage

/// What happens to the callers of a responder whose restart is paused.
///
/// If another responder can serve them, the supervisor accepts their connections and closes them at once: nginx then passes
/// the requests on. Otherwise they wait at the socket. The socket itself stays open, so that it need not be created again
/// for the restart, which might fail while the disk is full.
extension Supervisor {
    /// How many callers of one responder are turned away before the supervisor looks at anything else.
    private static let batch = 64

    /// Has `epoll` report the callers that are to be turned away, and no others.
    func watchCallers() {
        let time = now()
        let isAnyReliable = responders.contains { $0.isReliable(at: time) }
        for (responder, socket) in zip(responders, sockets) {
            // Both fail without effect if nothing changes.
            if isAnyReliable, responder.isPaused {
                // A responder may have ended before it did this.
                try? UnixSocket.makeNonBlocking(socket)
                try? epoll.add(socket, .readable, token: Self.callers)
            } else {
                try? epoll.remove(socket)
            }
        }
    }

    /// Closes the connections of callers that `watchCallers` has found.
    func turnCallersAway() {
        for (responder, socket) in zip(responders, sockets) where responder.isPaused {
            for _ in 0..<Self.batch {
                guard let caller = try? UnixSocket.accept(socket) else { break }
                try? caller.close()
            }
        }
    }
}
