/// A configuration file of pacifica-notifications, as Python's `configparser` reads it: sections, `name = value`, longer
/// values on lines that are indented further, comments on lines of their own, and `%(name)s` for another value.
struct PacificaFile: Equatable {
    /// A fault of the file: its line, counted from 1, and the reason.
    struct Fault: Error, Equatable {
        let line: Int
        let reason: String
    }

    struct Entry: Equatable {
        let section: String
        let name: String
        fileprivate(set) var value: String
        let line: Int
    }

    /// The entries in the order of the file.
    private(set) var entries: [Entry] = []
    private var sections: Set<String> = []

    /// The section whose entries apply to every section that has no entry of the same name.
    static let defaults = "DEFAULT"
    private static let deepest = 10

    init(parsing text: String) throws(Fault) {
        var section: String?
        var isInEntry = false
        var indent = 0
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        for (index, line) in lines.enumerated() {
            let content = SettingText.trimmed(String(line))
            guard let first = content.first, first != "#", first != ";" else { continue }
            let depth = line.prefix { $0.isWhitespace }.count
            if isInEntry, depth > indent {
                entries[entries.count - 1].value += "\n" + content
                continue
            }
            indent = depth
            isInEntry = false
            let number = index + 1
            if first == "[" {
                guard let end = content.lastIndex(of: "]"), content.index(after: content.startIndex) < end else {
                    throw Fault(line: number, reason: "expected a section name between [ and ]")
                }
                let name = String(content[..<end].dropFirst())
                guard sections.insert(name).inserted || name == Self.defaults else {
                    throw Fault(line: number, reason: "duplicate section [\(name)]")
                }
                section = name
                continue
            }
            guard let section else { throw Fault(line: number, reason: "an entry before the first [section]") }
            try add(content, in: section, line: number)
            isInEntry = true
        }
        for entry in entries { _ = try expanded(entry) }
    }

    private mutating func add(_ content: String, in section: String, line: Int) throws(Fault) {
        guard let separator = content.firstIndex(where: { $0 == "=" || $0 == ":" }) else {
            throw Fault(line: line, reason: "expected name = value")
        }
        let name = SettingText.trimmed(String(content[..<separator])).lowercased()
        guard !name.isEmpty else {
            throw Fault(line: line, reason: "expected a name before the \(content[separator])")
        }
        guard !entries.contains(where: { $0.section == section && $0.name == name }) else {
            throw Fault(line: line, reason: "duplicate entry \(name) in [\(section)]")
        }
        let value = SettingText.trimmed(String(content[content.index(after: separator)...]))
        entries.append(Entry(section: section, name: name, value: value, line: line))
    }

    private func entry(_ section: String, _ name: String) -> Entry? {
        for place in [section, Self.defaults] {
            if let found = entries.first(where: { $0.section == place && $0.name == name }) { return found }
        }
        return nil
    }

    /// The entry of a section, or else of `DEFAULT`, with `%(name)s` expanded; `nil` if neither has one of this name.
    func value(_ section: String, _ name: String) throws(Fault) -> Entry? {
        guard var found = entry(section, name) else { return nil }
        found.value = try expanded(found, in: section)
        return found
    }

    private func expanded(_ entry: Entry, in section: String? = nil, depth: Int = 0) throws(Fault) -> String {
        let fault = { (reason: String) in Fault(line: entry.line, reason: "\(entry.name): \(reason)") }
        guard depth < Self.deepest else { throw fault("%(…)s is nested too deeply") }
        var text = ""
        var rest = entry.value[...]
        while let percent = rest.firstIndex(of: "%") {
            text += rest[..<percent]
            rest = rest[percent...].dropFirst()
            if rest.first == "%" {
                text += "%"
                rest = rest.dropFirst()
                continue
            }
            guard rest.first == "(", let end = rest.firstRange(of: ")s") else {
                throw fault("% must be followed by % or (name)s")
            }
            let name = rest[..<end.lowerBound].dropFirst().lowercased()
            guard let other = self.entry(section ?? entry.section, name) else {
                throw fault("%(\(name))s refers to an entry that does not exist")
            }
            text += try expanded(other, in: section ?? entry.section, depth: depth + 1)
            rest = rest[end.upperBound...]
        }
        return text + rest
    }
}
