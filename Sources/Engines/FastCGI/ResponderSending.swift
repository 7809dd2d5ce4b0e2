internal import HTTP
internal import HTTPTypes
internal import Linux
internal import Logging
internal import SystemPackage
internal import Values

/// Sends answers: has parts made one by one, and closes connections whose clients do not read.
extension ResponderLoop {
    /// Prepares an answer for sending. Returns false if there is no memory for it; then the connection is closed.
    func begin(_ answer: Answer, on connection: Connection) -> Bool {
        let response =
            switch answer {
            case .whole(let response), .inParts(let response, _): response
            }
        if let readAt = connection.readAt {
            service.count(connection.request?.target, status: response.head.status.code, microseconds: now() - readAt)
        }
        // Answers may not hold more memory than the limit. The closed connection makes the client try again.
        if response.body.count > AnswerRoom.freeBytes, !room.hasRoom(for: connection.client, bytes: response.body.count)
        {
            close(connection, "no memory for a response of \(response.body.count) bytes to \(connection.client)")
            return false
        }
        connection.progressAt = now()
        connection.begin(answer)
        return true
    }

    /// Resumes the answer in parts that has waited longest to make its next part.
    func goOn() {
        guard !unfinished.isEmpty else { return }
        connections[unfinished.removeFirst()]?.goOn()
        finishTurn()
    }

    /// Records how much memory the answer on a connection holds now, and the time if the web server has taken more of
    /// it.
    func note(_ connection: Connection, sentBefore: Int?) {
        guard let (sent, held) = connection.sending else {
            room.release(connection.token)
            stalled.remove(connection.token)
            return
        }
        room.hold(held, for: connection.client, token: connection.token)
        if sent != sentBefore { connection.progressAt = now() }
        if stalled.isEmpty { nextStallCheck = now() + min(1_000_000, sendMicroseconds) }
        stalled.insert(connection.token)
    }

    /// Closes connections on which no byte of an answer was taken for too long: the client does not read.
    func dropStalled() {
        guard !stalled.isEmpty, now() >= nextStallCheck else { return }
        nextStallCheck = now() + min(1_000_000, sendMicroseconds)
        for token in stalled {
            guard let connection = connections[token] else {
                stalled.remove(token)
                continue
            }
            guard now() - connection.progressAt >= sendMicroseconds else { continue }
            logger.info(
                "closed a connection: its client did not read the response in time",
                metadata: ["client": "\(connection.client)"])
            close(connection)
        }
    }

    /// Turns events for a writable socket on or off. A condition that holds already is reported too.
    func watch(_ connection: Connection, forRoom awaitsRoom: Bool) {
        guard awaitsRoom != connection.awaitsRoom else { return }
        connection.awaitsRoom = awaitsRoom
        var events: Epoll.Events = [.readable, .hangUp, .edgeTriggered]
        if awaitsRoom { events.insert(.writable) }
        do throws(Errno) {
            try epoll.change(connection.descriptor, to: events, token: connection.token)
        } catch {
            close(connection, "\(error)")
        }
    }
}
