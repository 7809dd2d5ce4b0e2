package import JSON

/// The rules that a client has set for an endpoint, in order. The first one whose condition holds answers a request; a
/// rule without a condition is the default.
package struct ResponseRules: Sendable {
    package let rules: [ResponseRule]
    /// The rules as the client sent them, with masks instead of secrets.
    package let json: JSON
    let secrets: SettingSecrets

    package static let none = ResponseRules()

    private init() {
        rules = []
        json = .array([])
        secrets = SettingSecrets()
    }

    /// The place of a rule in the settings, and of its secret.
    static func key(_ index: Int) -> String { "responses[\(index)]" }

    /// Reads the member `responses` of a configuration that a client has sent.
    /// - Parameter stored: the endpoint's rules, for whose secrets the mask may stand; see `StoredSecrets`.
    init(_ json: JSON, replacing stored: ResponseRules, _ faults: inout SettingFaults) {
        var secrets = SettingSecrets()
        let known = StoredSecrets(of: stored)
        let rules = (json.array ?? []).prefix(RuleLimits.rules)
        let isUnchanged = known.areThose(of: rules)
        for (index, rule) in rules.enumerated() where rule["secret"] == .string(SettingSecrets.mask) {
            let key = Self.key(index)
            secrets[key] = isUnchanged ? stored.secrets[key] : known.secret(for: rule)
        }
        self.init(json, secrets, &faults)
    }

    /// - Parameter stored: the secrets for which the mask stands, by the places of the rules.
    init(_ json: JSON, _ stored: SettingSecrets, _ faults: inout SettingFaults) {
        let place = "responses"
        guard let values = json.array, values.count <= RuleLimits.rules else {
            let count = json.array.map { ", but has \($0.count)" } ?? ""
            faults.add(place, "must be an array of at most \(RuleLimits.rules) rules\(count)")
            self = .none
            return
        }
        var rules: [ResponseRule] = []
        var secrets = SettingSecrets()
        var defaultPlace: String?
        for (index, value) in values.enumerated() {
            let place = Self.key(index)
            if let defaultPlace {
                faults.add(place, "is never used, as \(defaultPlace) has no condition")
                break
            }
            guard let rule = ResponseRule(value, at: place, stored, &faults) else { continue }
            if rule.condition.isEmpty { defaultPlace = place }
            if !rule.secret.isEmpty { secrets[place] = String(decoding: rule.secret, as: UTF8.self) }
            rules.append(rule)
        }
        self.rules = rules
        self.json = .array(values.map { $0.masking(["secret"]) })
        self.secrets = secrets
    }

    /// The answer of the first rule that answers a request.
    /// - Parameter positions: for rules with a sequence, the position of the next answer; 0 if it is not there.
    package func outcome(for request: ReceivedRequest, positions: [Int: Int]) -> RuleOutcome? {
        rules.outcome(for: request, positions: positions, name: Self.key)
    }
}

/// What a rule says to a request.
package struct RuleOutcome: Equatable, Sendable {
    /// The index of the rule.
    package let rule: Int
    package let answer: RuleAnswer
    /// The position of the rule's next answer in its sequence, to be kept by the store; `nil` if it stays the same.
    package let nextPosition: Int?
    package let effect: RuleEffect?
}

extension [ResponseRule] {
    func outcome(
        for request: ReceivedRequest, positions: [Int: Int], name: (Int) -> String
    ) -> RuleOutcome? {
        guard let index = firstIndex(where: { $0.condition.holds(for: request) }) else { return nil }
        let rule = self[index]
        let position = Swift.max(0, Swift.min(positions[index] ?? 0, rule.answers.count - 1))
        return RuleOutcome(
            rule: index,
            answer: rule.answers[position].answer(to: request, secret: rule.secret, rule: name(index)),
            nextPosition: position + 1 < rule.answers.count ? position + 1 : nil, effect: rule.effect)
    }
}
