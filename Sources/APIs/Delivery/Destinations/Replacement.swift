/// What became of putting something in the place of what is kept, as it was read.
package enum Replacement<Value: Equatable & Sendable>: Equatable, Sendable {
    case replaced
    /// It is no longer as it was read; nothing was done.
    case differs(Value)
    /// There is none any longer.
    case gone
}
