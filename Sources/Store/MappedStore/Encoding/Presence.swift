/// A value that need not be there, where an optional says something else already.
enum Presence<Value> {
    case absent
    case present(Value)

    init(_ value: Value?) {
        self = value.map { .present($0) } ?? .absent
    }

    var value: Value? {
        switch self {
        case .absent: nil
        case .present(let value): value
        }
    }
}
