package import Delivery
internal import HTTP
internal import HTTPTypes
internal import JSONPath
package import Values

/// Applies a client's input to a subscription.
struct SubscriptionChange {
    let input: SubscriptionInput
    let settings: EventSettings
    let sealing: Sealing
    let now: Timestamp

    /// - Parameter id: used if the client chose none.
    func subscription(_ id: UUID, of user: String) throws(EventError) -> Subscription {
        var subscription = Subscription(
            id: input.id ?? id, user: user, name: "", expression: "", target: "",
            destination: Destination(
                number: 0, url: "", policy: .events,
                limits: DestinationLimits(inFlight: settings.inFlight), protocolKind: .event,
                approvalPath: PolicyPath.of(user)),
            created: input.created ?? now, updated: now)
        try apply(to: &subscription, isNew: true)
        subscription.updated = input.updated ?? now
        return subscription
    }

    /// - Parameter isNew: a new subscription belongs to the user who creates it, whatever the input says.
    func apply(to subscription: inout Subscription, isNew: Bool = false) throws(EventError) {
        if let id = input.id, id != subscription.id {
            throw EventError(.badRequest, "uuid: cannot be changed.")
        }
        if !isNew, let user = input.user, !user.utf8.elementsEqual(subscription.user.utf8) {
            throw EventError(.badRequest, "user: cannot be changed.")
        }
        if let name = input.name { subscription.name = name }
        if let version = input.version { subscription.version = version }
        if let created = input.created { subscription.created = created }
        try applyExpression(to: &subscription)
        // An absent member means no extensions: clients rely on this.
        subscription.extensions = input.extensions ?? Subscription.noExtensions
        if let format = input.format { subscription.format = format }
        subscription.destination.shape =
            EventShape(format: subscription.format, extensions: subscription.extensions).bytes
        let url = subscription.destination.url
        applyTarget(to: &subscription)
        applyConsent(to: &subscription.destination, isMoved: subscription.destination.url != url)
        applyState(to: &subscription.destination)
        subscription.updated = now
    }

    private func applyExpression(to subscription: inout Subscription) throws(EventError) {
        if let expression = input.expression { subscription.expression = expression }
        switch input.dialect {
        case .absent: break
        case .null: subscription.dialect = nil
        case .value(let dialect): subscription.dialect = dialect
        }
        do throws(JSONPathError) {
            _ = try JSONPath(parsing: subscription.expression, dialect: subscription.dialect)
        } catch {
            throw EventError(.badRequest, "jsonpath: \(error)")
        }
    }

    private func applyTarget(to subscription: inout Subscription) {
        if let target = input.target {
            let isSecret = target.called.authorization != nil
            subscription.target = isSecret ? "" : target.text
            subscription.sealedTarget = isSecret ? sealing.seal(Array(target.text.utf8), .target) : nil
            subscription.destination.url = target.called.url
        }
        let hasAuth = input.auth.map { $0.text != Subscription.noExtensions } ?? false
        subscription.sealedAuth = hasAuth ? input.auth.map { sealing.seal($0.text, .auth) } : nil
        let authorization = input.auth?.header ?? authorizationInURL(of: subscription)
        subscription.destination.sealedHeaders = authorization.map {
            sealing.seal(HeaderField.lines([HeaderField(name: "Authorization", value: $0)]), .headers)
        }
    }

    private func authorizationInURL(of subscription: Subscription) -> String? {
        guard let sealed = subscription.sealedTarget, let text = sealing.open(sealed, .target),
            let target = try? SubscriptionTarget(String(decoding: text, as: UTF8.self), AnyURL())
        else { return nil }
        return target.authorization
    }

    private func applyState(to destination: inout Destination) {
        switch input.disabled {
        case .absent: break
        case .null: destination.enable()
        case .value(let time): destination.disable(since: time)
        }
        switch input.error {
        case .absent: break
        case .null: destination.disabledReason = nil
        case .value(let text): destination.disabledReason = text
        }
    }

    /// - Parameter isMoved: whether the URL has changed: the new receiver has not consented.
    private func applyConsent(to destination: inout Destination, isMoved: Bool) {
        let wasAsked = destination.consent != nil
        let isAsked = input.asksConsent ?? wasAsked
        if isAsked != wasAsked || isAsked && isMoved { destination.askConsent(isAsked) }
    }
}

extension Subscription {
    /// A new subscription, created as the API does it from the body of a request.
    /// - Parameters:
    ///   - id: used if the body has none.
    ///   - urls: decides which targets may be called.
    package init(
        parsing body: [UInt8], id: UUID, of user: String, _ settings: EventSettings, _ urls: any URLRules,
        _ sealing: Sealing, now: Timestamp
    ) throws(EventError) {
        let input = try SubscriptionInput(parsing: body, isNew: true, urls)
        let change = SubscriptionChange(input: input, settings: settings, sealing: sealing, now: now)
        self = try change.subscription(id, of: user)
    }
}

/// Accepts every URL. For stored values, which have been checked before.
struct AnyURL: URLRules {
    func fault(_ url: String) -> String? { nil }
}
