internal import CaptureRules
internal import HTTP
internal import JSON
package import Values

/// The settings of an endpoint that a client may change. `nil` leaves a setting unchanged.
package struct Configuration: Equatable, Sendable {
    package var isEnabled: Bool
    package var takesSubpaths: Bool?
    package var overflow: EndpointSettings.Overflow?
    package var isOpenToPages: Bool?
    package var isPinned: Bool?
    package var expiry: Expiry?
    package var deliveryHeader: DeliveryHeader?
    package var receiver: ReceiverChange?
    /// The URLs of standing forwards.
    package var forwards: [String]?
    /// The members that say what the receiver is to be; see `ReceiverSettings`.
    private(set) var receiverMembers: [JSON.Member] = []

    /// When an endpoint ends.
    package enum Expiry: Equatable, Sendable {
        /// By the limits of the installation.
        case never
        case at(Timestamp)
        /// So many seconds after the request.
        case after(Double)
    }

    /// The header field by which attempts of one delivery are recognized, beside those that are usual.
    package enum DeliveryHeader: Equatable, Sendable {
        /// Only those that are usual.
        case usual
        case named(String)
    }

    package init(isEnabled: Bool, takesSubpaths: Bool? = nil) {
        self.isEnabled = isEnabled
        self.takesSubpaths = takesSubpaths
    }

    /// Changes an endpoint.
    package func apply(to endpoint: inout Endpoint, at moment: Moment) {
        endpoint.isEnabled = isEnabled
        endpoint.takesSubpaths = takesSubpaths ?? endpoint.takesSubpaths
        endpoint.settings.overflow = overflow ?? endpoint.settings.overflow
        endpoint.settings.isOpenToPages = isOpenToPages ?? endpoint.settings.isOpenToPages
        endpoint.settings.isPinned = isPinned ?? endpoint.settings.isPinned
        switch deliveryHeader {
        case .named(let name): endpoint.settings.deliveryHeader = name
        case .usual: endpoint.settings.deliveryHeader = nil
        case nil: break
        }
        if let receiver { endpoint.settings.hasReceiver = receiver.receiver != nil }
        if let forwards { endpoint.settings.hasForwards = !forwards.isEmpty }
        guard let expiry else { return }
        endpoint.settings.expires = expiry.secondsLeft(at: moment).map { moment.steady.adding(seconds: $0) }
    }
}

extension Configuration.Expiry {
    func secondsLeft(at moment: Moment) -> Double? {
        switch self {
        case .never: nil
        case .at(let time): time.seconds(since: moment.wall)
        case .after(let seconds): seconds
        }
    }
}

/// Why a configuration is invalid, as a sentence for the client.
package struct ConfigurationError: Error, Equatable, Sendable {
    package let reason: String
}

extension Configuration {
    /// Reads `{"enabled": bool}` and the optional members. As in the original, letter case in names does not matter and other
    /// members are ignored. A text or number that means yes is read as true; any other value that is not a Boolean is
    /// refused. `null` stands for the value that a new endpoint has.
    package init(parsing body: [UInt8]) throws(ConfigurationError) {
        let object = try BodyObject(body, like: "{\"enabled\": true}")
        func member(_ name: String) -> JSON? { object.inAnyCase(name) }
        func flag(_ name: String, mayBeNull: Bool = true) throws(ConfigurationError) -> Bool? {
            guard let value = member(name) else { return nil }
            if mayBeNull, value == .null { return false }
            guard let flag = Self.boolean(value) else {
                let orNull = mayBeNull ? ", or null" : ""
                throw ConfigurationError(reason: "The member \"\(name)\" must be true or false\(orNull).")
            }
            return flag
        }
        guard let isEnabled = try flag("enabled", mayBeNull: false) else {
            throw ConfigurationError(reason: "The member \"enabled\" is missing.")
        }
        self.init(isEnabled: isEnabled, takesSubpaths: try flag("subpaths"))
        receiverMembers = object.members.filter { ReceiverSettings.members.contains($0.name.lowercased()) }
        isOpenToPages = try flag("cors")
        isPinned = try flag("pinned")
        overflow = try member("overflow").map(Self.overflow)
        expiry = try member("expires").map(Self.expiry)
        deliveryHeader = try member("delivery_header").map(Self.deliveryHeader)
        forwards = try member("forwards").map { value throws(ConfigurationError) in
            try ForwardURLs(value, member: "forwards").urls
        }
    }

    private static func boolean(_ value: JSON) -> Bool? {
        switch value {
        case .bool(let value): value
        case .string(let text) where ["true", "yes", "y", "on", "t", "1"].contains(text.lowercased()): true
        case .number("1"), .number("1.0"): true
        default: nil
        }
    }

    private static func overflow(_ value: JSON) throws(ConfigurationError) -> EndpointSettings.Overflow {
        if value == .null { return .refuse }
        guard let overflow = value.string.flatMap(EndpointSettings.Overflow.init) else {
            throw ConfigurationError(
                reason: "The member \"overflow\" must be \"refuse\" or \"drop-oldest\", or null.")
        }
        return overflow
    }

    private static func deliveryHeader(_ value: JSON) throws(ConfigurationError) -> DeliveryHeader {
        if value == .null { return .usual }
        guard let name = value.string, (1...SenderDelivery.nameBytes).contains(name.utf8.count),
            name.utf8.allSatisfy(\.isTokenByte)
        else {
            throw ConfigurationError(
                reason: """
                    The member "delivery_header" must be the name of a header field, of at most \
                    \(SenderDelivery.nameBytes) characters, or null.
                    """)
        }
        return .named(name)
    }

    private static func expiry(_ value: JSON) throws(ConfigurationError) -> Expiry {
        switch value {
        case .null: return .never
        case .number(let text):
            if let seconds = Double(text), seconds > 0 { return .after(seconds) }
            throw ConfigurationError(reason: "The member \"expires\" must be a number of seconds above 0.")
        case .string(let text):
            // RFC 3339, section 5.6: T and Z may be in lower case.
            if let time = Timestamp(iso8601: text.uppercased()) { return .at(time) }
        default: break
        }
        throw ConfigurationError(
            reason:
                "The member \"expires\" must be a number of seconds, a time like \"2026-12-31T00:00:00Z\", or null.")
    }

    private static let mostSeconds = 100 * 365.25 * 86_400

    /// What the installation does not allow. What is in force already may stay, so that a PUT can send back what a GET has
    /// shown.
    func fault(
        _ permissions: CapturePermissions, _ limits: CaptureLimits, at moment: Moment,
        insteadOf current: EndpointSettings
    ) -> ConfigurationError? {
        if isPinned == true, !permissions.allowsPins, !current.isPinned {
            return ConfigurationError(
                reason: "The member \"pinned\" cannot be true: the operator has not set ALLOW_PINNED_ENDPOINTS.")
        }
        guard let seconds = expiry?.secondsLeft(at: moment) else { return nil }
        guard seconds > 0 else { return ConfigurationError(reason: "The member \"expires\" must be a time to come.") }
        guard seconds <= Self.mostSeconds else {
            return ConfigurationError(reason: "The member \"expires\" must be at most 100 years from now.")
        }
        // A GET shows milliseconds.
        let inForce = current.expires.map { abs($0.seconds(since: moment.steady) - seconds) < 0.002 } ?? false
        guard isPinned == true || seconds <= limits.lifetimeSeconds || inForce else {
            let most = Int(limits.lifetimeSeconds)
            return ConfigurationError(
                reason: "The member \"expires\" must be at most \(most) seconds from now (MAX_DURATION_SECONDS).")
        }
        return nil
    }
}

extension Timestamp {
    /// Without the microsecond or so by which the distance between two clocks varies each time they are read.
    fileprivate var roundedToMilliseconds: Timestamp { Timestamp(microseconds: (microseconds + 500) / 1000 * 1000) }
}

/// The settings of an endpoint, as they are read and in part configured, and what the endpoint has and may have.
/// - Parameters:
///   - forwards: the URLs of standing forwards.
///   - bodyLimit: the most bytes of a notification's body.
func settingsJSON(
    _ endpoint: Endpoint, _ receiver: ReceiverSettings, forwards: [String], allowsForwarding: Bool,
    _ limits: CaptureLimits, bodyLimit: Int, at moment: Moment
) -> [UInt8] {
    objectJSON { json in
        let settings = endpoint.settings
        json.member("enabled", endpoint.isEnabled)
        json.member("subpaths", endpoint.takesSubpaths)
        json.member("overflow", settings.overflow.rawValue)
        json.member("cors", settings.isOpenToPages)
        json.member("pinned", settings.isPinned)
        json.member("expires", orNull: settings.expires.map { moment.wall(at: $0).roundedToMilliseconds.iso8601() })
        json.member("delivery_header", orNull: settings.deliveryHeader)
        receiver.writeMembers(to: &json)
        json.member("forwards", forwards)
        json.member("forwarding", allowsForwarding)
        json.member("name", orNull: settings.name)
        json.member("created", moment.wall(at: endpoint.created).roundedToMilliseconds.iso8601())
        json.member("lastUsed", moment.wall(at: endpoint.lastUsed).roundedToMilliseconds.iso8601())
        json.member("pending") { json in
            json.member("notifications", endpoint.count)
            json.member("bytes", endpoint.bytes)
        }
        json.member("limits") { json in
            json.member("notifications", max(0, limits.notificationsPerEndpoint))
            json.member("bytes", max(0, limits.bytesPerEndpoint))
            json.member("body", bodyLimit)
        }
        json.member("newest", endpoint.newest)
        // RFC 3339 has four digits for the year, so an end that is a thousand years away is shown as no end.
        let end = endpoint.end(limits).flatMap { $0.seconds(since: moment.steady) < 1000 * 365.25 * 86_400 ? $0 : nil }
        json.member("removedAt", orNull: end.map { moment.wall(at: $0).roundedToMilliseconds.iso8601() })
    }
}

/// What a client asks for when it creates an endpoint.
struct CreationWish: Equatable {
    let name: String
    /// Whether the name gets a part that cannot be guessed.
    let hasSecret: Bool

    /// - Returns: `nil` if the body is empty, or an empty object. The original API does not read the body.
    init?(parsing body: [UInt8]) throws(ConfigurationError) {
        guard !body.isEmpty else { return nil }
        let object = try BodyObject(body, like: "{\"name\": \"orders\"}, or empty", known: ["name", "secret"])
        guard !object.members.isEmpty else { return nil }
        guard let name = object["name"] else { throw ConfigurationError(reason: "The member \"name\" is missing.") }
        guard case .string(let text) = name, EndpointName.isValid(text, atMost: 64) else {
            throw ConfigurationError(reason: "The member \"name\" \(EndpointName.rule).")
        }
        switch object["secret"] {
        case .none, .some(.bool(true)): hasSecret = true
        case .some(.bool(false)): hasSecret = false
        default: throw ConfigurationError(reason: "The member \"secret\" must be true or false.")
        }
        self.name = text
    }
}
