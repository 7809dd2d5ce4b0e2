internal import JSON
internal import Values

/// An object in the settings that a client sent, with its place in them.
struct SettingObject {
    let place: String
    private let members: [JSON.Member]

    /// Reports a value that is not an object, members that are not known, and repeated members.
    init?(_ json: JSON, at place: String, known: Set<String>, _ faults: inout SettingFaults) {
        guard case .object(let members) = json else {
            faults.add(place, "must be an object")
            return nil
        }
        self.place = place
        self.members = members
        var seen: Set<String> = []
        for member in members {
            if !seen.insert(member.name).inserted {
                faults.add(self.place(of: member.name), "duplicate member")
            } else if !known.contains(member.name) {
                faults.add(
                    self.place(of: member.name), "unknown member; known are \(known.sorted().joined(separator: ", "))")
            }
        }
    }

    func place(of name: String) -> String { "\(place).\(name.shortened(to: 64))" }

    /// Whether the member is there, even if it is null.
    func has(_ name: String) -> Bool { members.contains { $0.name == name } }

    /// `nil` if the member is missing or null.
    subscript(name: String) -> JSON? {
        guard let value = members.last(where: { $0.name == name })?.value, value != .null else { return nil }
        return value
    }

    /// `nil` also if the member is invalid, which is reported.
    func text(_ name: String, maximumBytes: Int, _ faults: inout SettingFaults) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.string else {
            faults.add(place(of: name), "must be a string")
            return nil
        }
        guard text.utf8.count <= maximumBytes else {
            faults.add(place(of: name), "must have at most \(maximumBytes) bytes")
            return nil
        }
        return text
    }

    func bool(_ name: String, _ faults: inout SettingFaults) -> Bool? {
        guard let value = self[name] else { return nil }
        if value.bool == nil { faults.add(place(of: name), "must be true or false") }
        return value.bool
    }

    func wholeNumber(_ name: String, in range: ClosedRange<Int>, _ faults: inout SettingFaults) -> Int? {
        guard let value = self[name] else { return nil }
        guard let number = value.integer, range.contains(number) else {
            faults.add(place(of: name), "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    /// A text that must be one of a few words.
    func word(_ name: String, of words: [String], _ faults: inout SettingFaults) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.string, words.contains(text) else {
            faults.add(place(of: name), "must be one of \(words.joined(separator: ", "))")
            return nil
        }
        return text
    }

    /// The members of an object of texts; empty if it is missing. Reports another value, and too many members.
    func entries(_ name: String, maximumCount: Int, _ faults: inout SettingFaults) -> [JSON.Member] {
        guard let value = self[name] else { return [] }
        guard case .object(let members) = value else {
            faults.add(place(of: name), "must be an object")
            return []
        }
        guard members.count <= maximumCount else {
            faults.add(place(of: name), "must have at most \(maximumCount) members, but has \(members.count)")
            return []
        }
        return members
    }
}
