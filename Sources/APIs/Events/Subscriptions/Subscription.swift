package import Delivery
internal import HTTP
package import JSONPath
package import Values

/// Events that a subscription has missed, and that no replay has been requested for.
package struct MissedEvents: Equatable, Sendable {
    package var count: UInt64
    /// When the first of them arrived, by the time of day.
    package var since: Timestamp

    package init(count: UInt64, since: Timestamp) {
        self.count = count
        self.since = since
    }
}

/// A user's choice of events, and where they are sent. The API calls it an event match.
package struct Subscription: Equatable, Sendable {
    /// How an event is written for the target.
    package enum Format: UInt8, Equatable, Sendable, CaseIterable {
        /// As it came, merged with the subscription's extensions; `application/json`.
        case json = 0
        /// CloudEvents 1.0 in structured mode, `application/cloudevents+json`.
        case structured
        /// CloudEvents 1.0 in binary mode.
        case binary
    }

    package let id: UUID
    /// The user who created it; compared byte by byte, and never changed.
    package let user: String
    package var name: String
    /// The JSONPath expression, as it was given.
    package var expression: String
    /// The dialect that the user asked for; `nil`: chosen by the default rule.
    package var dialect: JSONPath.Dialect?
    package var version: String
    /// A JSON object as it was given.
    package var extensions: [UInt8]
    /// A JSON object as it was given, sealed; `nil` stands for an empty one.
    package var sealedAuth: [UInt8]?
    /// The target as it was given, sealed, if it contains a password; else `nil`, and `target` has it in clear text.
    package var sealedTarget: [UInt8]?
    /// The target as it was given; empty if it is sealed.
    package var target: String
    package var format: Format
    /// Holds its number, how its deliveries are made, and whether and why it is disabled.
    package var destination: Destination
    package var created: Timestamp
    package var updated: Timestamp
    /// Matches while it was disabled, and events that were removed before they were tried with it; `nil`: none. Only the
    /// store updates it: a change of the subscription does not write it.
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

    /// The format and extensions that a destination stores; `nil` if it has none.
    package static func shape(of destination: Destination) -> (format: Format, extensions: [UInt8])? {
        destination.shape.flatMap { EventShape(bytes: $0) }.map { ($0.format, $0.extensions) }
    }

    package static let defaultVersion = "v0.1"
    package static let maximumErrorCharacters = 64 << 10
    package static let noExtensions = Array("{}".utf8)
}

extension Subscription.Format {
    /// The value of the member `format`.
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
