package import JSON
package import Values

/// What an endpoint answers to senders, and how it checks their signatures: the members `recipes`, `responses` and `verify`
/// of its configuration.
package struct ReceiverSettings: Sendable {
    package private(set) var recipes = Recipes.none
    package private(set) var responses = ResponseRules.none
    package private(set) var verification: Verification?

    /// The names of the members, in lower case.
    package static let members = ["recipes", "responses", "verify"]

    /// No rules, no recipes, no verification.
    package init() {}

    package var isEmpty: Bool { recipes.recipes.isEmpty && responses.rules.isEmpty && verification == nil }

    /// The settings after a change.
    ///
    /// If the rules have changed, the positions of their sequences begin at 0 again.
    /// - Parameter members: what a client has sent. A member that is missing leaves its part unchanged, and null removes
    ///   it. Names are taken in any letter case, and members of other names are ignored. A mask stands for the secret
    ///   that was stored in its place; in a rule, for that of the rule which it replaces (`StoredSecrets`).
    package init(changing current: ReceiverSettings, by members: [JSON.Member]) throws(SettingFaults) {
        self = current
        let stored = current.secrets
        var faults = SettingFaults(isStored: current.storedSecrets != nil)
        for member in members {
            switch member.name.lowercased() {
            case "recipes":
                recipes = member.value == .null ? .none : Recipes(member.value, stored, &faults)
            case "responses":
                responses = member.value == .null ? .none : rules(member.value, &faults)
            case "verify":
                verification = member.value == .null ? nil : Verification(member.value, stored, &faults)
            default: break
            }
        }
        let count = json.count
        if count > RuleLimits.settingsBytes {
            let limit = RuleLimits.settingsBytes
            faults.add(
                Self.members.joined(separator: ", "), "must have at most \(limit) bytes together, but have \(count)")
        }
        try faults.check()
    }

    private func rules(_ json: JSON, _ faults: inout SettingFaults) -> ResponseRules {
        // In what a store has kept, a rule and its secret have the same place.
        if let storedSecrets { return ResponseRules(json, storedSecrets, &faults) }
        return ResponseRules(json, replacing: responses, &faults)
    }

    /// Reads what `json` and `secrets` have been for a store.
    /// - Throws: if a later version has stored them, or they are damaged.
    package init(json: [UInt8], secrets: SettingSecrets) throws(SettingFaults) {
        guard let value = try? JSON(parsing: json), case .object(let members) = value else {
            var faults = SettingFaults()
            faults.add("settings", "are not a JSON object")
            throw faults
        }
        var stored = ReceiverSettings()
        stored.storedSecrets = secrets
        try self.init(changing: stored, by: members)
        storedSecrets = nil
    }

    /// Secrets for the masks of settings that are being read; `nil` if they are in the settings.
    private var storedSecrets: SettingSecrets?

    /// The secrets of all parts, for a store to seal.
    package var secrets: SettingSecrets {
        if let storedSecrets { return storedSecrets }
        var secrets = recipes.secrets
        secrets.add(responses.secrets)
        if let verification { secrets.add(verification.secrets) }
        return secrets
    }

    /// `{"recipes": […], "responses": […], "verify": …}` with masks instead of secrets: for a store, and for clients.
    package var json: [UInt8] { objectJSON { json in writeMembers(to: &json) } }

    package func writeMembers(to json: inout JSONWriter) {
        json.member("recipes", recipes.json)
        json.member("responses", responses.json)
        json.member("verify", verification?.json ?? .null)
    }
}

/// What an endpoint's settings say about one request.
package struct ReceiverOutcome: Sendable {
    package enum Answerer: Equatable, Sendable, CustomStringConvertible {
        case recipe(RecipeName)
        /// The index of the rule.
        case response(Int)
        /// The signature is not right, and the endpoint refuses such requests.
        case verification

        /// As clients see it.
        package var description: String {
            switch self {
            case .recipe(let name): "recipe:\(name.rawValue)"
            case .response(let index): "response:\(index)"
            case .verification: "verify"
            }
        }
    }

    /// Who answers; `nil` if nothing does, and the sender gets the usual answer.
    package private(set) var answerer: Answerer?
    package private(set) var answer: RuleAnswer?
    /// `nil` if the endpoint checks no signatures.
    package private(set) var verdict: Verdict?
    /// The new position in the sequence of the rule that answers, to be stored; `nil` if none changes.
    package private(set) var nextPosition: Int?
    /// A URL that has to be called with GET, once.
    package private(set) var confirmation: SNSConfirmation?
    /// The settings from now on, to be stored; `nil` if they stay the same.
    package private(set) var newSettings: ReceiverSettings?

    /// Whether the request is refused because of its signature.
    package var isRejected: Bool { answerer == .verification }
}

extension ReceiverSettings {
    /// Recipes answer first, as handshakes are often not signed; then requests are refused if their signature is not
    /// right; then the rules answer.
    /// - Parameters:
    ///   - positions: for each rule with a sequence, the position of the next answer; 0 if it is not there.
    ///   - now: the time of day when the request arrived.
    ///   - origins: schemes and hosts under which senders may know this service, such as that of `SERVER_URL`.
    package func outcome(
        for request: ReceivedRequest, positions: [Int: Int], now: Timestamp, origins: [String] = []
    ) -> ReceiverOutcome {
        let verdict = verification?.verdict(on: request, now: now, origins: origins)
        if let (name, outcome) = recipes.outcome(for: request) {
            var disarmed: ReceiverSettings?
            if outcome.effect == .disarmAsana {
                disarmed = self
                disarmed?.recipes = recipes.disarmed
            }
            return ReceiverOutcome(
                answerer: .recipe(name), answer: outcome.answer, verdict: verdict,
                confirmation: outcome.effect == .confirmSNS ? SNSConfirmation(request) : nil, newSettings: disarmed)
        }
        if let verdict, !verdict.isValid, verification?.rejects == true {
            // The reason is for the owner of the endpoint: it would help to forge a signature.
            let text = "The signature of this request is not right."
            return ReceiverOutcome(
                answerer: .verification, answer: RuleAnswer(status: 401, body: Array(text.utf8)), verdict: verdict)
        }
        guard let outcome = responses.outcome(for: request, positions: positions) else {
            return ReceiverOutcome(verdict: verdict)
        }
        return ReceiverOutcome(
            answerer: .response(outcome.rule), answer: outcome.answer, verdict: verdict,
            nextPosition: outcome.nextPosition)
    }
}
