internal import HTTP
internal import HTTPTypes
internal import Linux
internal import Logging
internal import SystemPackage
internal import Values

/// Answers on their way: parts that are made one by one, and clients that do not read.
extension ResponderLoop {
    /// Begins to send an answer; false where it cannot be, and the connection has been closed.
    func begin(_ answer: Answer, on connection: Connection) -> Bool {
        let response =
            switch answer {
            case .whole(let response), .inParts(let response, _): response
            }
        if let readAt = connection.readAt {
            service.count(connection.request?.target, status: response.head.status.code, microseconds: now() - readAt)
        }
        // The client has to try again: nothing may hold more memory than there is for answers.
        if response.body.count > AnswerRoom.freeBytes, !room.hasRoom(for: connection.client, bytes: response.body.count)
        {
            close(connection, "no memory for an answer of \(response.body.count) bytes to \(connection.client)")
            return false
        }
        connection.progressAt = now()
        connection.begin(answer)
        return true
    }

    /// Has the longest waiting answer in parts go on.
    func goOn() {
        guard !unfinished.isEmpty else { return }
        connections[unfinished.removeFirst()]?.goOn()
        finishTurn()
    }

    /// Notes what the answer on a connection holds now, and whether the server has taken some of it.
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

    /// Closes connections whose server has taken nothing of an answer for too long: its client does not read.
    func dropStalled() {
        guard !stalled.isEmpty, now() >= nextStallCheck else { return }
        nextStallCheck = now() + min(1_000_000, sendMicroseconds)
        for token in stalled {
            guard let connection = connections[token] else {
                stalled.remove(token)
                continue
            }
            guard now() - connection.progressAt >= sendMicroseconds else { continue }
            logger.info("closed a connection: its client did not read", metadata: ["client": "\(connection.client)"])
            close(connection)
        }
    }

    /// Has events reported for when the socket takes bytes again, or no longer. Those that hold already are reported.
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
