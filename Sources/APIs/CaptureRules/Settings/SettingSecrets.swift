internal import JSON

/// The secrets of an endpoint's settings, apart from the settings, so that a store can seal them. Each is found by its
/// place, such as `responses[2]`, `recipes.zoom` or `verify`; in the settings, `***` stands for it.
package struct SettingSecrets: Equatable, Sendable, CustomStringConvertible {
    /// Shown to clients instead of each secret. A client that sends it back keeps the secret of that place.
    package static let mask = "***"
    /// The most bytes of a secret.
    package static let maximumBytes = 512

    private var texts: [String: String] = [:]

    package init() {}

    package var isEmpty: Bool { texts.isEmpty }

    subscript(place: String) -> String? {
        get { texts[place] }
        set { texts[place] = newValue }
    }

    mutating func add(_ others: SettingSecrets) { texts.merge(others.texts) { _, new in new } }

    /// JSON text for a store to seal. Equal secrets have equal bytes.
    package var bytes: [UInt8] {
        objectJSON { json in
            for (place, secret) in texts.sorted(by: { $0.key < $1.key }) { json.member(place, secret) }
        }
    }

    /// Reads what `bytes` returns; `nil` for any other bytes.
    package init?(bytes: [UInt8]) {
        guard let json = try? JSON(parsing: bytes), case .object(let members) = json else { return nil }
        for member in members {
            guard let text = member.value.string else { return nil }
            texts[member.name] = text
        }
    }

    /// Not the secrets, which must not reach a log.
    package var description: String { "SettingSecrets(\(texts.count))" }
}

extension SettingObject {
    /// The secret in a member. The mask stands for the stored secret of the same place.
    /// - Parameters:
    ///   - secrets: those that are stored.
    ///   - unknown: what is wrong with a mask for which none is stored.
    func secret(
        _ name: String, at key: String, _ secrets: SettingSecrets,
        unknown: String = "*** stands for a stored secret, but none is stored here", _ faults: inout SettingFaults
    ) -> String? {
        guard let text = text(name, maximumBytes: SettingSecrets.maximumBytes, &faults) else { return nil }
        guard !text.isEmpty else {
            faults.add(place(of: name), "must not be empty")
            return nil
        }
        guard text == SettingSecrets.mask else { return text }
        if secrets[key] == nil {
            faults.add(place(of: name), unknown)
        }
        return secrets[key]
    }
}

extension JSON {
    /// The object with the mask instead of the text in the member of a name, if there is one.
    func masking(_ names: Set<String>) -> JSON {
        guard case .object(let members) = self else { return self }
        return .object(
            members.map { member in
                guard names.contains(member.name), member.value != .null else { return member }
                return Member(member.name, .string(SettingSecrets.mask))
            })
    }
}
