/// What is wrong with the settings that a client sent, each fault with its place. It can be thrown, as one error for all.
package struct SettingFaults: Error, Equatable, Sendable {
    package struct Fault: Equatable, Sendable {
        /// For example `responses[3].when.header`.
        package let place: String
        /// The reason, as the rest of a sentence: "must be a string".
        package let reason: String
    }

    package private(set) var faults: [Fault] = []
    /// Whether the settings are those that a store has kept. What has been accepted before must stay readable, so faults that
    /// earlier versions did not know are not reported then.
    let isStored: Bool

    package init(isStored: Bool = false) { self.isStored = isStored }

    mutating func add(_ place: String, _ reason: String) { faults.append(Fault(place: place, reason: reason)) }

    /// Throws the faults if there are any.
    func check() throws(SettingFaults) {
        if !faults.isEmpty { throw self }
    }

    /// One sentence for each fault, for the client.
    package var message: String {
        var message = faults.prefix(Self.shown).map { "\($0.place): \($0.reason)." }.joined(separator: " ")
        if faults.count > Self.shown { message += " And \(faults.count - Self.shown) more." }
        return message
    }

    private static let shown = 20
}
