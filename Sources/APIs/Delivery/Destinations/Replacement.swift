/// The outcome of replacing a stored value, provided that it is still as it was read.
package enum Replacement<Value: Equatable & Sendable>: Equatable, Sendable {
    case replaced
    /// The stored value has changed since it was read; nothing was written.
    case differs(Value)
    /// The value no longer exists.
    case gone
}
