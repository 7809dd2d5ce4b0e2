internal import Cryptography
internal import JSON
internal import Linux
internal import Values

/// Reads a configuration file. All of it is checked before any of it is used.
package struct ConfigurationReader {
    package private(set) var configuration = QueueConfiguration()
    /// Values that are valid, but probably not intended.
    package private(set) var warnings: [ConfigurationFault] = []

    private var faults: [ConfigurationFault] = []
    /// Where each line of the text begins, in bytes.
    private let lineStarts: [Int]
    private let maximumMessageBytes: Int
    private var globalLimits = QueueLimits()

    /// - Parameters:
    ///   - text: JSON; comments (`//` and `/* */`) are allowed between its values.
    ///   - maximumMessageBytes: the longest message that the server accepts.
    package init(_ text: [UInt8], maximumMessageBytes: Int) throws(ConfigurationFailure) {
        self.maximumMessageBytes = maximumMessageBytes
        lineStarts = [0] + text.indices.filter { text[$0] == UInt8(ascii: "\n") }.map { $0 + 1 }
        read(try document(text))
        let order = { (left: ConfigurationFault, right: ConfigurationFault) in
            (left.line, left.column) < (right.line, right.column)
        }
        warnings.sort(by: order)
        if !faults.isEmpty { throw .faulty(faults.sorted(by: order)) }
    }

    // MARK: Objects

    private mutating func read(_ root: JSONNode) {
        let top = Location(root, "")
        let known = [
            "listen_host", "listen_port", "users", "queues", "max_message_count", "max_message_size", "max_queue_size",
        ]
        guard object(top, required: ["listen_host", "listen_port", "users", "queues"], known: known) else { return }
        if let host = top["listen_host"], host.value.string == nil { fault(host, "must be a string") }
        if let port = top["listen_port"], port.value.integer.map({ (0...65535).contains($0) }) != true {
            fault(port, "must be a whole number from 0 to 65535")
        }
        globalLimits = limits(top, over: QueueLimits())
        for queue in elements(top, "queues") ?? [] { readQueue(queue) }
        keepLastQueues()
        let names = Set(configuration.queues.map { Array($0.name.utf8) })
        for user in elements(top, "users") ?? [] { readUser(user, queues: names) }
    }

    private mutating func readQueue(_ location: Location) {
        let known = ["name", "whitelist_ip", "auth", "max_message_count", "max_message_size", "max_queue_size"]
        guard object(location, required: ["name"], known: known) else { return }
        guard let name = string(location, "name") else { return }
        var settings = QueueSettings(name: name, limits: limits(location, over: globalLimits))
        for entry in elements(location, "whitelist_ip") ?? [] {
            guard let network = entry.value.string.flatMap({ IPNetwork($0) }) else {
                fault(entry, "must be an IP address, or a network such as 10.0.0.0/8")
                continue
            }
            settings.allowedNetworks.append(network)
        }
        if let auth = location["auth"], auth.value != .null { settings.authentication = authentication(auth) }
        if settings.limits.messageBytes > settings.limits.queueBytes {
            warn(location, "max_message_size is larger than max_queue_size: a message larger than the queue empties it")
        }
        if name.isEmpty || name.utf8.contains(UInt8(ascii: "/")) {
            warn(location, "nobody can send to this queue: its name is empty or contains a slash")
        }
        if settings.limits.messageCount == 0 {
            warn(location, "max_message_count is 0: the queue keeps no messages, and its clients only learn of losses")
        }
        queueLocations.append(location)
        configuration.queues.append(settings)
    }

    private var queueLocations: [Location] = []

    /// If queues have the same name, keeps only the last one.
    private mutating func keepLastQueues() {
        var seen: Set<[UInt8]> = []
        var kept: [QueueSettings] = []
        for (queue, location) in zip(configuration.queues, queueLocations).reversed() {
            if seen.insert(Array(queue.name.utf8)).inserted {
                kept.append(queue)
            } else {
                warn(location, "this queue is ignored: a later queue has the same name")
            }
        }
        configuration.queues = kept.reversed()
    }

    private mutating func readUser(_ location: Location, queues: Set<[UInt8]>) {
        let known = ["name", "pass_hash", "queues", "can_reload"]
        guard object(location, required: ["name", "pass_hash"], known: known) else { return }
        let name = string(location, "name")
        if let name, !userNames.insert(Array(name.utf8)).inserted {
            fault(location, "another user has the same name")
        }
        if let name, name.utf8.contains(UInt8(ascii: ":")) {
            warn(location, "the user cannot log in: a user name of HTTP Basic ends at its first colon")
        }
        var hash: PasswordHash?
        if let text = string(location, "pass_hash"), let location = location["pass_hash"] {
            hash = PasswordHash(text)
            if let hash, !hash.isUsable { warn(location, "the user cannot log in: no password has this hash") }
            if hash == nil {
                fault(location, "must be TYPE;SALT;VALUE, where TYPE is plain, \(Self.algorithms) or argon2id")
            }
        }
        var names: [String] = []
        for entry in elements(location, "queues") ?? [] {
            guard let queue = entry.value.string else {
                fault(entry, "must be the name of a queue")
                continue
            }
            if !queues.contains(Array(queue.utf8)) { warn(entry, "there is no such queue") }
            names.append(queue)
        }
        var mayReload = false
        if let flag = location["can_reload"] {
            switch flag.value {
            case .bool(let value): mayReload = value
            // The original accepts these too.
            case .number("1"): mayReload = true
            case .number("0"), .null: break
            default: fault(flag, "must be true or false")
            }
        }
        guard let name, let hash else { return }
        configuration.users.append(
            QueueConfiguration.User(name: name, hash: hash, mayReload: mayReload, queues: names))
    }

    /// Names are compared by their bytes: text that only looks the same is another name.
    private var userNames: Set<[UInt8]> = []

    private static let algorithms = DigestAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")

    /// Returns `nil` if messages need no authentication, or on an error.
    private mutating func authentication(_ location: Location) -> SenderAuthentication? {
        guard object(location, required: [], known: ["key", "method", "header_name"]) else { return nil }
        let key = location["key"].flatMap { optional in optional.value == .null ? nil : string(location, "key") }
        let header = location["header_name"].flatMap { optional in
            optional.value == .null ? nil : string(location, "header_name")
        }
        guard let method = location["method"] else { return nil }
        let parts = (method.value.string ?? "").split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 2, let process = SenderAuthentication.Process(rawValue: parts[0]),
            let algorithm = DigestAlgorithm(rawValue: parts[1])
        else {
            fault(method, "must be hmac- or hash- followed by one of \(Self.algorithms)")
            return nil
        }
        if process == .hmac, key == "" { warn(location, "\"key\" is empty: anybody can make a valid signature") }
        if process == .hmac, key == nil { warn(location, "\"key\" is missing: every message is refused") }
        if header == nil { warn(location, "\"header_name\" is missing: every message is refused") }
        return SenderAuthentication(
            process: process, algorithm: algorithm, key: key.map { Array($0.utf8) }, headerName: header)
    }

    private mutating func limits(_ location: Location, over base: QueueLimits) -> QueueLimits {
        var limits = base
        for (name, path) in [
            ("max_message_count", \QueueLimits.messageCount), ("max_message_size", \QueueLimits.messageBytes),
            ("max_queue_size", \QueueLimits.queueBytes),
        ] {
            guard let limit = location[name] else { continue }
            guard let value = limit.value.integer, value >= 0 else {
                fault(limit, "must be a whole number, 0 or more")
                continue
            }
            limits[keyPath: path] = UInt64(value)
            if path == \QueueLimits.messageBytes, value > maximumMessageBytes {
                fault(limit, "must be at most \(maximumMessageBytes), the value of MAX_MESSAGE_BYTES")
            }
        }
        return limits
    }

    // MARK: Values

    /// A value and its path.
    private struct Location {
        let node: JSONNode
        let path: String
        /// The position of the value in the text, in bytes.
        let offset: Int

        init(_ node: JSONNode, _ path: String, offset: Int? = nil) {
            self.node = node
            self.path = path
            self.offset = offset ?? node.range.lowerBound
        }

        var value: JSON { node.value }

        subscript(name: String) -> Location? {
            node[name].map { Location($0, path.isEmpty ? name : "\(path).\(name)") }
        }
    }

    private func located(_ location: Location, _ reason: String) -> ConfigurationFault {
        let line = lineStarts.partitioningIndex { $0 > location.offset }
        return ConfigurationFault(
            line: line, column: location.offset - lineStarts[line - 1] + 1, path: location.path, reason: reason)
    }

    /// The most faults or warnings that are reported: more are useless, and each costs a search in the text.
    static let limit = 100

    private mutating func fault(_ location: Location, _ reason: String) {
        if faults.count < Self.limit { faults.append(located(location, reason)) }
    }

    private mutating func warn(_ location: Location, _ reason: String) {
        if warnings.count < Self.limit { warnings.append(located(location, reason)) }
    }

    private mutating func fault(_ member: JSONNode.Member, of location: Location, _ reason: String) {
        fault(
            Location(member.value, location.path, offset: member.nameRange.lowerBound), "\"\(member.name)\" \(reason)")
    }

    /// Whether the value is an object; reports missing and unknown members.
    private mutating func object(_ location: Location, required: [String], known: [String]) -> Bool {
        guard let members = location.node.members else {
            fault(location, "must be an object")
            return false
        }
        for name in required where location.node[name] == nil { fault(location, "\"\(name)\" is missing") }
        var seen: Set<String> = []
        for member in members {
            if !known.contains(member.name) {
                fault(member, of: location, "is not a known member")
            }
            if !seen.insert(member.name).inserted {
                fault(member, of: location, "is a duplicate member")
            }
        }
        return true
    }

    private mutating func string(_ location: Location, _ name: String) -> String? {
        guard let member = location[name] else { return nil }
        guard let text = member.value.string else {
            fault(member, "must be a string")
            return nil
        }
        return text
    }

    /// The elements of an array; `nil` if it is missing or invalid. `null` counts as missing, except for the two lists at
    /// the top of the file, where it is reported.
    private mutating func elements(_ location: Location, _ name: String) -> [Location]? {
        guard let member = location[name],
            member.value != .null || ["users", "queues"].contains(name) && location.path.isEmpty
        else { return nil }
        guard let elements = member.node.elements else {
            fault(member, "must be an array")
            return nil
        }
        return elements.enumerated().map { Location($1, "\(member.path)[\($0)]") }
    }
}

extension [Int] {
    /// The first index whose element satisfies the predicate. All elements that do not satisfy it must come before those
    /// that do.
    fileprivate func partitioningIndex(where predicate: (Int) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

private func document(_ text: [UInt8]) throws(ConfigurationFailure) -> JSONNode {
    do throws(JSONError) {
        return try JSONDocument(parsing: text, allowsComments: true).root
    } catch {
        throw .faulty([ConfigurationFault(line: error.line, column: error.column, path: "", reason: error.reason)])
    }
}

/// The text of a configuration file with a new hash for one user; the rest is unchanged.
func replacingHash(of user: String, by hash: PasswordHash, in text: [UInt8]) throws(ConfigurationFailure) -> [UInt8] {
    // Names are compared by their bytes: names that look the same may differ.
    func isOfUser(_ entry: JSONNode) -> Bool {
        guard let name = entry["name"]?.value.string else { return false }
        return name.utf8.elementsEqual(user.utf8)
    }
    let entry = try document(text)["users"]?.elements?.last(where: isOfUser)
    guard let stored = entry?["pass_hash"] else { throw .unknownUser(user) }
    var json = JSONWriter()
    json.string(hash.text)
    var result = text
    result.replaceSubrange(stored.range, with: json.bytes)
    return result
}
