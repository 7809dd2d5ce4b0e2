internal import JSON

/// One rule: a condition, and what a request that meets it is answered.
package struct ResponseRule: Sendable {
    var condition = RuleCondition()
    /// One after the other; the last one is repeated. At least one.
    var answers: [AnswerTemplate]
    /// The key of the placeholders `hmac-…`.
    var secret: [UInt8] = []
    var effect: RuleEffect?
}

/// What a rule of a recipe asks for beside its answer.
package enum RuleEffect: Equatable, Sendable {
    /// The recipe `asana` has to be disarmed.
    case disarmAsana
    /// The URL of the message has to be called once, if `SNSConfirmation` accepts it.
    case confirmSNS
}

extension ResponseRule {
    private static let known: Set<String> = ["when", "then", "secret"]

    /// - Parameter secrets: those that are stored, for which the mask may stand.
    init?(_ json: JSON, at place: String, _ secrets: SettingSecrets, _ faults: inout SettingFaults) {
        guard let object = SettingObject(json, at: place, known: Self.known, &faults) else { return nil }
        if let when = object["when"] { condition = RuleCondition(when, at: object.place(of: "when"), &faults) }
        answers = Self.answers(object, &faults)
        let text = object.secret(
            "secret", at: place, secrets,
            unknown: "*** stands for the secret of a stored rule, but it is not clear which one: send the secret",
            &faults)
        secret = text.map { Array($0.utf8) } ?? []
        if object["secret"] == nil, answers.contains(where: \.usesSecret) {
            faults.add(object.place(of: "secret"), "is required by the placeholder {hmac-…}")
        }
    }

    private static func answers(_ object: SettingObject, _ faults: inout SettingFaults) -> [AnswerTemplate] {
        let place = object.place(of: "then")
        guard let then = object["then"] else {
            faults.add(place, "is required")
            return []
        }
        guard let object = SettingObject(then, at: place, known: AnswerTemplate.known.union(["sequence"]), &faults)
        else {
            return []
        }
        guard object.has("sequence") else { return [AnswerTemplate(object, &faults)] }
        for name in AnswerTemplate.known.sorted() where object.has(name) {
            faults.add(object.place(of: name), "must be in the answers of the sequence, not beside it")
        }
        guard let values = object["sequence"]?.array, (1...RuleLimits.sequence).contains(values.count) else {
            faults.add(object.place(of: "sequence"), "must be an array of 1 to \(RuleLimits.sequence) answers")
            return []
        }
        return values.enumerated().compactMap { index, value in
            SettingObject(value, at: "\(object.place(of: "sequence"))[\(index)]", known: AnswerTemplate.known, &faults)
                .map { AnswerTemplate($0, &faults) }
        }
    }
}
