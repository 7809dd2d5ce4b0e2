internal import JSON
internal import Values

/// Answers that a provider of webhooks expects before it sends anything, by the name of the provider.
package enum RecipeName: String, CaseIterable, Sendable {
    case slack
    case meta
    case microsoftGraph = "microsoft-graph"
    case twitch
    case eventGrid = "event-grid"
    case cloudEvents = "cloudevents"
    case zoom
    case x
    case asana
    case smartsheet
    case okta
    case dropbox
    case nylas
    case adobe
    case trello
    case sns
    case xero

    /// The parameter that is required and secret.
    var secretMember: String? {
        switch self {
        case .meta: "verify_token"
        case .zoom, .x, .xero: "secret"
        default: nil
        }
    }

    /// All members of the recipe's object.
    var members: Set<String> {
        var members: Set<String> = ["name"]
        if let secretMember { members.insert(secretMember) }
        switch self {
        case .asana: members.insert("armed")
        case .cloudEvents: members.insert("rate")
        default: break
        }
        return members
    }
}

/// A recipe of an endpoint, with its parameters.
struct Recipe: Sendable {
    let name: RecipeName
    let rules: [ResponseRule]
    let secret: String?
    /// Only `asana` can be disarmed; then it has no rules.
    let isArmed: Bool

    var key: String { Self.key(name) }

    /// The place of a recipe's secret.
    static func key(_ name: RecipeName) -> String { "recipes.\(name.rawValue)" }

    init(_ name: RecipeName, secret: String? = nil, isArmed: Bool = true, rate: String = "*") {
        self.name = name
        self.secret = secret
        self.isArmed = isArmed
        rules = isArmed ? name.rules(secret: secret ?? "", rate: rate) : []
    }

    init?(_ json: JSON, at place: String, _ stored: SettingSecrets, _ faults: inout SettingFaults) {
        let names = RecipeName.allCases.map(\.rawValue)
        guard case .object = json else {
            faults.add(place, "must be an object such as {\"name\": \"slack\"}")
            return nil
        }
        guard let name = json["name"]?.string.flatMap(RecipeName.init) else {
            faults.add("\(place).name", "must be one of \(names.joined(separator: ", "))")
            return nil
        }
        guard let object = SettingObject(json, at: place, known: name.members, &faults) else { return nil }
        var secret: String?
        if let member = name.secretMember {
            secret = object.secret(member, at: Self.key(name), stored, &faults)
            if object[member] == nil {
                faults.add(object.place(of: member), "is required by the recipe \(name.rawValue)")
            }
        }
        let rate = Self.rate(object, &faults)
        self.init(name, secret: secret, isArmed: object.bool("armed", &faults) ?? true, rate: rate)
    }

    /// The value of `WebHook-Allowed-Rate`: how many requests a minute, or an asterisk for any number (HTTP 1.1 Web Hooks
    /// for Event Delivery 1.0.2, section 4.2.2).
    private static func rate(_ object: SettingObject, _ faults: inout SettingFaults) -> String {
        guard let value = object["rate"], value != .string("*") else { return "*" }
        guard let rate = value.integer, (1...1_000_000_000).contains(rate) else {
            faults.add(object.place(of: "rate"), "must be \"*\" or a whole number from 1 to 1000000000")
            return "*"
        }
        return String(rate)
    }
}
