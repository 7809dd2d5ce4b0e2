@testable import Delivery
@testable import HTTP
@testable import JSON
@testable import Values
@testable import Webhooks

private struct URLs: URLChecking {
    func fault(_ url: String) -> String? {
        do throws(TargetURL.Problem) {
            _ = try TargetURL(url)
            return nil
        } catch {
            return error.description
        }
    }

    func refusal(of url: String, _ context: any RequestContext) async -> LookupResult<String?> { .found(nil) }
}

private let now = Timestamp(microseconds: 1_800_000_000_000_000)
private let settings = WebhookSettings()
private let sealing = Sealing(seal: { plain, _ in plain }, open: { sealed, _ in sealed })

/// A body is refused, or becomes a webhook; sending it back as it is shown is accepted.
func fuzzWebhookInput(_ body: [UInt8]) {
    let rules = WebhookInput.Rules(
        urls: URLs(), headers: HeaderRules(signatureHeaders: ["X-Signed", "X-Signed-At"]),
        maximumRetrySeconds: 2_592_000)
    _ = try? RecoverInput(parsing: body, at: now)
    for isPartial in [true, false] {
        guard let input = try? WebhookInput(parsing: body, isPartial: isPartial, rules) else { continue }
        let change = WebhookChange(
            input: input, newSecret: [UInt8](repeating: 7, count: 24), settings: settings, sealing: sealing, now: now)
        guard let id = UUID("00000000-0000-4000-8000-000000000000"),
            let webhook = try? change.webhook(id, in: id), !isPartial
        else { continue }
        require(!webhook.name.isEmpty && !webhook.events.isEmpty, "a webhook without a name or events")
        let policy = RetryPolicies()[webhook.destination.policy]
        let waits = policy.attempts
        require((1...101).contains(waits), "\(waits) attempts")
        for attempts in 1...waits {
            let wait = policy.wait(after: attempts, jitter: 1)
            require(wait.map { $0 >= 0 && $0.isFinite } ?? (attempts == waits), "an invalid wait")
            _ = now.adding(seconds: wait ?? 0)
        }
        if let sealed = webhook.destination.sealedHeaders {
            require(HeaderField.fields(lines: sealed)?.map(\.name) == webhook.headerNames, "other headers")
        }
        let shown = valueJSON { json in webhook.write(to: &json) }
        require((try? WebhookInput(parsing: shown, isPartial: false, rules)) != nil, "the shown webhook is refused")
    }
}
