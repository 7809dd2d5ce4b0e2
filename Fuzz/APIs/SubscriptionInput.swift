@testable import Delivery
@testable import Events
@testable import HTTP
@testable import JSON
@testable import Values

private struct URLs: URLRules {
    func fault(_ url: String) -> String? {
        do throws(TargetURL.Problem) {
            _ = try TargetURL(url)
            return nil
        } catch {
            return error.description
        }
    }
}

private let now = Timestamp(microseconds: 1_800_000_000_000_000)
private let settings = EventSettings(version: "1")
private let sealing = Sealing(seal: { plain, _ in plain }, open: { sealed, _ in sealed })

/// A body is refused, or becomes a subscription; sending it back as it is shown changes nothing.
func fuzzSubscriptionInput(_ body: [UInt8]) {
    _ = try? ReplayInput(parsing: body, now: now)
    if let text = String(validating: body, as: UTF8.self) {
        _ = UUID(lenient: text)
        if let time = Timestamp(naive: text) { require(Timestamp(naive: time.naive) == time, "another time") }
    }
    _ = try? SubscriptionInput(parsing: body, isNew: false, URLs())
    guard let id = UUID("00000000-0000-4000-8000-000000000000"),
        let input = try? SubscriptionInput(parsing: body, isNew: true, URLs()),
        let subscription = try? change(input).subscription(id, of: "u")
    else { return }
    require(Subscription.shape(of: subscription.destination)?.extensions == subscription.extensions, "another shape")
    if let sealed = subscription.destination.sealedHeaders {
        require(HeaderField.fields(lines: sealed)?.map(\.name) == ["Authorization"], "other headers")
    }
    let shown = valueJSON { json in subscription.write(to: &json, sealing) }
    guard let again = try? SubscriptionInput(parsing: shown, isNew: false, URLs()) else {
        fatalError("the shown subscription is refused")
    }
    var same = subscription
    guard (try? change(again).apply(to: &same)) != nil else { fatalError("the shown subscription cannot be set") }
    same.updated = subscription.updated
    require(same == subscription, "the shown subscription is another one")
}

private func change(_ input: SubscriptionInput) -> SubscriptionChange {
    SubscriptionChange(input: input, settings: settings, sealing: sealing, now: now)
}
