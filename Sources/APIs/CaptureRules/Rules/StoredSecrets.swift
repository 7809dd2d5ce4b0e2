internal import JSON

/// Finds the stored secrets for which the masks of new rules stand. Rules have no names, and a client may have removed,
/// inserted or moved some of them since it read the settings.
struct StoredSecrets {
    private struct Rule {
        let when: JSON
        let then: JSON
        let secret: String

        init(_ rule: JSON, secret: String = "") {
            when = (rule["when"] ?? .null).sorted
            then = (rule["then"] ?? .null).sorted
            self.secret = secret
        }
    }

    private let all: [JSON]
    /// The stored rules that have a secret.
    private let rules: [Rule]

    init(of stored: ResponseRules) {
        all = (stored.json.array ?? []).map(\.sorted)
        rules = (stored.json.array ?? []).enumerated().compactMap { index, rule in
            stored.secrets[ResponseRules.key(index)].map { Rule(rule, secret: $0) }
        }
    }

    /// Whether these are the stored rules, in their order: then each has the secret of its place.
    func areThose(of rules: some Collection<JSON>) -> Bool { rules.map(\.sorted) == all }

    /// Looks among the stored rules with the same condition and answer; without such rules, among those with the same condition;
    /// without these, among all.
    /// - Returns: the secret that the rules found share; `nil` if their secrets differ.
    func secret(for rule: JSON) -> String? {
        let wanted = Rule(rule)
        let sameCondition = rules.filter { $0.when == wanted.when }
        let sameRule = sameCondition.filter { $0.then == wanted.then }
        let candidates = !sameRule.isEmpty ? sameRule : !sameCondition.isEmpty ? sameCondition : rules
        let secrets = Set(candidates.map(\.secret))
        return secrets.count == 1 ? secrets.first : nil
    }
}

extension JSON {
    /// The value with the members of all objects sorted by name: their order has no meaning.
    fileprivate var sorted: JSON {
        switch self {
        case .object(let members):
            .object(members.map { Member($0.name, $0.value.sorted) }.sorted { $0.name < $1.name })
        case .array(let values): .array(values.map(\.sorted))
        default: self
        }
    }
}
