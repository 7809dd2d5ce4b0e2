/// A value that may be absent, for places where an optional already means something else.
enum Presence<Value> {
    case absent
    case present(Value)

    var value: Value? {
        switch self {
        case .absent: nil
        case .present(let value): value
        }
    }
}
