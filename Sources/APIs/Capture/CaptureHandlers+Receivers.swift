internal import CaptureRules
internal import Delivery
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Values

/// Answers senders as the settings of an endpoint say, and changes these settings.
extension CaptureHandlers {
    // MARK: Answers

    /// A longer body is worked on in the background, as to hash or to decompress it takes long.
    static let shortBody = 256 << 10

    /// How often the settings of an endpoint may have changed while the background thread worked on a notification. After
    /// that the loop works on it, so that they cannot change meanwhile.
    static let waitingRounds = 3

    /// What the settings of an endpoint say about a notification: an object, as asynchronous functions have it among their
    /// variables.
    final class Judgement: Sendable {
        let outcome: ReceiverOutcome

        init(_ outcome: ReceiverOutcome) { self.outcome = outcome }

        /// What is kept with the notification.
        @inline(never)
        func sent() -> SenderOutcome { SenderOutcome(outcome) }
    }

    /// What the settings of an endpoint say about a notification. They may have changed once this returns.
    /// - Parameter mayWait: whether the background thread may do it.
    /// - Returns: `nil` if too much work waits there.
    @inline(never)
    func judgement(
        of notification: Notification, _ receiver: StoredReceiver, mayWait: Bool
    ) async throws(StoreFailure) -> Judgement? {
        let settings = try settings(receiver)
        let origins = [origin]
        let judge: @Sendable () -> Judgement = {
            Judgement(
                settings.outcome(
                    for: ReceivedRequest(notification), positions: receiver.positions, now: notification.receivedAt,
                    origins: origins))
        }
        let isShort = max(notification.body.count, notification.bodyByteCount) <= Self.shortBody
        return isShort || !mayWait ? judge() : await background.result(of: judge)
    }

    /// What a request is that was sent to an endpoint.
    enum Arrival {
        indirect case notification(Notification)
        case refused(BodyRefusal)
        /// Too much work waits for the background thread.
        case tooMany

        /// Whether it is a notification that can be stored.
        var isReadable: Bool {
            guard case .notification(let notification) = self else { return false }
            return notification.reading.fault != .corruptData
        }
    }

    /// Whether the body of a request takes so long to read that the background thread should do it.
    func takesLong(_ request: Request) -> Bool {
        guard case .whole(let body) = request.body, body.count <= bodyLimit else { return false }
        return BodyReading.takesLong(of: body, request.fields)
    }

    @inline(never)
    func arrival(of request: Request, at moment: Moment) -> Arrival {
        do throws(BodyRefusal) {
            let body = try Notification.whole(request, limit: bodyLimit)
            let reading = try BodyReading(of: body, request.fields, limit: bodyLimit)
            return .notification(
                Notification(request, segments: 2, body: body, reading: reading, receivedAt: moment.wall))
        } catch {
            return .refused(error)
        }
    }

    /// The same, with the body read by the background thread.
    func longArrival(of request: Request, at moment: Moment) async -> Arrival {
        guard case .whole(let body) = request.body else { return arrival(of: request, at: moment) }
        let (fields, limit) = (request.fields, bodyLimit)
        let reading = await background.result {
            Result { () throws(BodyRefusal) in try BodyReading(of: body, fields, limit: limit) }
        }
        switch reading {
        case nil: return .tooMany
        case .failure(let error): return .refused(error)
        case .success(let reading):
            return .notification(
                Notification(request, segments: 2, body: body, reading: reading, receivedAt: moment.wall))
        }
    }

    /// The receiver after it has answered a notification.
    @inline(never)
    func next(_ receiver: StoredReceiver, after judgement: Judgement) -> ReceiverChange {
        let outcome = judgement.outcome
        if let settings = outcome.newSettings {
            return ReceiverChange(base: receiver.version, receiver: stored(settings, positions: receiver.positions))
        }
        guard let position = outcome.nextPosition, case .response(let rule)? = outcome.answerer else {
            return ReceiverChange(base: receiver.version, receiver: receiver)
        }
        return ReceiverChange(
            base: receiver.version,
            receiver: StoredReceiver(
                version: .random(in: 1 ... .max, using: &random), settings: receiver.settings,
                sealedSecrets: receiver.sealedSecrets,
                positions: receiver.positions.merging([rule: position]) { _, new in new }))
    }

    /// The answer to a sender, held back as long as it is to be. It is not held back if too many requests wait.
    @inline(never)
    func answer(_ answer: RuleAnswer, at endpoint: String, _ context: any RequestContext) async -> Answer {
        if answer.delayMilliseconds > 0 {
            let end = context.deadline(milliseconds: answer.delayMilliseconds)
            let delay = AnswerDelay(at: endpoint)
            while await context.news(for: delay, until: end) == .news {}
        }
        return .whole(answer.response)
    }

    // MARK: Settings

    /// The change of an endpoint's receiver that a client asks for; `nil` if it does not ask for any.
    func change(
        _ members: [JSON.Member], of current: StoredReceiver?
    ) throws(StoreFailure) -> Result<ReceiverChange?, ConfigurationError> {
        guard !members.isEmpty else { return .success(nil) }
        return try changed(members, of: current).map { changed in
            let settings = changed.settings
            return ReceiverChange(
                base: current?.version,
                receiver: settings.isEmpty ? nil : stored(settings, positions: changed.positions),
                endsConfirmations: changed.hadSNS && !settings.recipes.has(.sns))
        }
    }

    /// A receiver after the changes that a client has sent, which need not be stored.
    struct ChangedReceiver: Sendable {
        let settings: ReceiverSettings
        /// Where its sequences are: at their beginnings if the rules have changed.
        let positions: [Int: Int]
        /// Whether the recipe `sns` was there before.
        let hadSNS: Bool
    }

    func changed(
        _ members: [JSON.Member], of current: StoredReceiver?
    ) throws(StoreFailure) -> Result<ChangedReceiver, ConfigurationError> {
        let before = try current.map { stored throws(StoreFailure) in try self.settings(stored) } ?? ReceiverSettings()
        do throws(SettingFaults) {
            let settings = try ReceiverSettings(changing: before, by: members)
            let isSame = settings.responses.json == before.responses.json
            return .success(
                ChangedReceiver(
                    settings: settings, positions: isSame ? current?.positions ?? [:] : [:],
                    hadSNS: before.recipes.has(.sns)))
        } catch {
            return .failure(ConfigurationError(reason: error.message))
        }
    }

    private func stored(_ settings: ReceiverSettings, positions: [Int: Int]) -> StoredReceiver {
        let secrets = settings.secrets
        let version = UInt64.random(in: 1 ... .max, using: &random)
        cache(settings, version)
        return StoredReceiver(
            version: version, settings: settings.json,
            sealedSecrets: secrets.isEmpty ? nil : sealing.seal(secrets.bytes, .receiver), positions: positions)
    }

    func settings(_ receiver: StoredReceiver) throws(StoreFailure) -> ReceiverSettings {
        if let known = receivers[receiver.version] { return known }
        var secrets = SettingSecrets()
        if let sealed = receiver.sealedSecrets {
            guard let opened = sealing.open(sealed, .receiver).flatMap(SettingSecrets.init(bytes:)) else {
                throw .damaged("the secrets of an endpoint's settings cannot be decrypted")
            }
            secrets = opened
        }
        do throws(SettingFaults) {
            let settings = try ReceiverSettings(json: receiver.settings, secrets: secrets)
            cache(settings, receiver.version)
            return settings
        } catch {
            throw .damaged("the settings of an endpoint cannot be read: \(error.message)")
        }
    }

    /// Settings are read anew only after a change.
    private func cache(_ settings: ReceiverSettings, _ version: UInt64) {
        if receivers.count >= Self.cachedReceivers { receivers.removeAll(keepingCapacity: true) }
        receivers[version] = settings
    }

    private static let cachedReceivers = 256

    /// Scheme and host under which senders know this service.
    var origin: String {
        webhookURL.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).prefix(3).joined(
            separator: "/")
    }
}

/// The wait of an answer that is held back: it has no news.
package final class AnswerDelay: Interest {
    package let subject: String

    /// - Parameter endpoint: as the URL has it.
    init(at endpoint: String) { subject = endpoint }
}
