package import JSON

/// The recipes of an endpoint, in the order in which they are tried; each name at most once.
package struct Recipes: Sendable {
    let recipes: [Recipe]
    /// The recipes as the client sent them, with masks instead of secrets.
    package let json: JSON
    let secrets: SettingSecrets

    package static let none = Recipes([], json: .array([]))

    package func has(_ name: RecipeName) -> Bool { recipes.contains { $0.name == name } }

    private init(_ recipes: [Recipe], json: JSON) {
        self.recipes = recipes
        self.json = json
        var secrets = SettingSecrets()
        for recipe in recipes { if let secret = recipe.secret { secrets[recipe.key] = secret } }
        self.secrets = secrets
    }

    /// Reads the member `recipes` of a configuration.
    /// - Parameter stored: the endpoint's secrets, for which the mask may stand.
    init(_ json: JSON, at place: String = "recipes", _ stored: SettingSecrets, _ faults: inout SettingFaults) {
        guard let values = json.array, values.count <= RecipeName.allCases.count else {
            faults.add(place, "must be an array of at most \(RecipeName.allCases.count) recipes")
            self = .none
            return
        }
        var recipes: [Recipe] = []
        for (index, value) in values.enumerated() {
            guard let recipe = Recipe(value, at: "\(place)[\(index)]", stored, &faults) else { continue }
            if recipes.contains(where: { $0.name == recipe.name }) {
                faults.add("\(place)[\(index)].name", "duplicate recipe")
            }
            recipes.append(recipe)
        }
        self.init(recipes, json: .array(values.map { $0.masking(["secret", "verify_token"]) }))
    }

    /// The same recipes with `asana` disarmed.
    var disarmed: Recipes {
        let json = (self.json.array ?? []).map { json -> JSON in
            guard case .object(let members) = json, json["name"] == .string(RecipeName.asana.rawValue) else {
                return json
            }
            return .object(members.filter { $0.name != "armed" } + [.init("armed", .bool(false))])
        }
        return Recipes(
            recipes.map { $0.name == .asana ? Recipe(.asana, isArmed: false) : $0 }, json: .array(json))
    }

    /// The answer of the first recipe that answers a request, and its name.
    func outcome(for request: ReceivedRequest) -> (name: RecipeName, RuleOutcome)? {
        for recipe in recipes {
            let outcome = recipe.rules.outcome(for: request, positions: [:]) { _ in "recipe \(recipe.name.rawValue)" }
            if let outcome { return (recipe.name, outcome) }
        }
        return nil
    }
}
