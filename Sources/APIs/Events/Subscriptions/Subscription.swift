package import Delivery
internal import HTTP
package import JSONPath
package import Values

/// Events that a subscription matched while it was disabled, and that no replay has been asked for since.
package struct MissedEvents: Equatable, Sendable {
    package var count: UInt64
    /// When the first of them came, by the time of day.
    package var since: Timestamp

    package init(count: UInt64, since: Timestamp) {
        self.count = count
        self.since = since
    }
}

/// Which events a user wants, and where they go: what the API calls an event match.
package struct Subscription: Equatable, Sendable {
    /// How an event is written for the target.
    package enum Format: UInt8, Equatable, Sendable, CaseIterable {
        /// As it came, with the extensions of the subscription merged in; `application/json`.
        case json = 0
        /// CloudEvents 1.0 in structured mode, `application/cloudevents+json`.
        case structured
        /// CloudEvents 1.0 in binary mode.
        case binary
    }

    package let id: UUID
    /// Who made it; compared by its scalars, and never changed.
    package let user: String
    package var name: String
    /// The JSONPath expression, as it was given.
    package var expression: String
    /// The dialect that the user asked for; `nil`: by the rule.
    package var dialect: JSONPath.Dialect?
    package var version: String
    /// A JSON object, as it was given.
    package var extensions: [UInt8]
    /// A JSON object as it was given, sealed; `nil` stands for an empty one.
    package var sealedAuth: [UInt8]?
    /// As it was given, sealed, where it has a password in it; else `nil`, and it is in the clear in `target`.
    package var sealedTarget: [UInt8]?
    /// As it was given; empty where it is sealed.
    package var target: String
    package var format: Format
    /// What its number counts, how its deliveries are made, whether it is disabled and why.
    package var destination: Destination
    package var created: Timestamp
    package var updated: Timestamp
    /// What it missed: matches while it was disabled, and events that were dropped before it came to them. `nil`: nothing.
    /// The store counts it; a change does not write it.
    package var missed: MissedEvents?

    package init(
        id: UUID, user: String, name: String, expression: String, dialect: JSONPath.Dialect? = nil,
        version: String = Self.defaultVersion, extensions: [UInt8] = Self.noExtensions, sealedAuth: [UInt8]? = nil,
        sealedTarget: [UInt8]? = nil, target: String, format: Format = .json, destination: Destination,
        created: Timestamp, updated: Timestamp
    ) {
        self.id = id
        self.user = user
        self.name = name
        self.expression = expression
        self.dialect = dialect
        self.version = version
        self.extensions = extensions
        self.sealedAuth = sealedAuth
        self.sealedTarget = sealedTarget
        self.target = target
        self.format = format
        self.destination = destination
        self.created = created
        self.updated = updated
    }

    /// The same as its destination keeps it; `nil` where that has none.
    package static func shape(of destination: Destination) -> (format: Format, extensions: [UInt8])? {
        destination.shape.flatMap { EventShape(bytes: $0) }.map { ($0.format, $0.extensions) }
    }

    package static let defaultVersion = "v0.1"
    package static let maximumErrorCharacters = 64 << 10
    package static let noExtensions = Array("{}".utf8)
}

extension Subscription.Format {
    /// As the member `format` has it.
    package var word: String {
        switch self {
        case .json: "json"
        case .structured: "cloudevents"
        case .binary: "cloudevents-binary"
        }
    }

    package init?(word: String) {
        guard let format = Self.allCases.first(where: { $0.word == word }) else { return nil }
        self = format
    }
}
