internal import HTTP
internal import HTTPTypes
internal import Linux
internal import Logging
internal import SystemPackage
internal import Values

/// Answers on their way: parts that are made one by one, and clients that do not read.
extension ResponderLoop {
    func send(_ response: Response, to connection: Connection) {
        if let readAt = connection.readAt {
            service.count(connection.request?.target, status: response.head.status.code, microseconds: now() - readAt)
        }
        // The client has to try again: nothing may hold more memory than there is for answers.
        if response.body.count > AnswerRoom.freeBytes, !room.hasRoom(for: connection.client, bytes: response.body.count)
        {
            return close(connection, "no memory for an answer of \(response.body.count) bytes to \(connection.client)")
        }
        connection.progressAt = now()
        connection.send(response)
        advance(connection)
    }

    /// Makes the next part of one answer. The others have their turns after those who have asked meanwhile.
    func goOn() {
        guard !unfinished.isEmpty, let connection = connections[unfinished.removeFirst()] else { return }
        do throws(StoreFailure) {
            try connection.makePart()
        } catch {
            close(connection, "broken off: \(error)")
            return finishTurn()
        }
        // What the part has written is committed before its bytes are sent.
        finishTurn()
        advance(connection)
        finishTurn()
    }

    func advance(_ connection: Connection) {
        let before = connection.sending?.sentBytes
        guard connection.advance() else { return close(connection) }
        note(connection, sentBefore: before)
        switch connection.state {
        case .sending where connection.awaitsPart:
            if !unfinished.contains(connection.token) { unfinished.append(connection.token) }
        case .sending: watch(connection, forRoom: true)
        case .receiving where isStopping: close(connection)
        case .receiving:
            watch(connection, forRoom: false)
            if connection.mayHaveMore { receive(connection) }
        default: break
        }
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
