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

    /// The stored rules that have a secret.
    private let rules: [Rule]

    init(of stored: ResponseRules) {
        rules = (stored.json.array ?? []).enumerated().compactMap { index, rule in
            stored.secrets[ResponseRules.key(index)].map { Rule(rule, secret: $0) }
        }
    }

    /// The secret of the stored rule with the same condition and the same answer, or of those with the same condition, or
    /// of all rules; `nil` if these have different secrets, or there are none.
    func secret(for rule: JSON) -> String? {
        let wanted = Rule(rule)
        let alike = rules.filter { $0.when == wanted.when }
        let same = alike.filter { $0.then == wanted.then }
        let candidates = !same.isEmpty ? same : !alike.isEmpty ? alike : rules
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
