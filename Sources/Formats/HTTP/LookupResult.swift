/// The result of a lookup at another service.
package enum LookupResult<Value: Sendable>: Sendable {
    case found(Value)
    /// The other service does not answer.
    case unanswered
    /// Too many lookups are pending to begin another one.
    case tooMany
}

extension LookupResult: Equatable where Value: Equatable {}
