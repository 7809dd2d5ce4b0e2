/// The value of a node, in a form that can be compared without touching the heap.
///
/// Texts and children are stored in a tree: the document's, or that of the query's literals.
enum Value {
    case null
    case boolean(Bool)
    /// A number without a fraction that fits 64 bits. `isPlain` says whether it was written without point and exponent.
    case integer(Int64, isPlain: Bool)
    case double(Double)
    case string(Text)
    case array(Children)
    case object(Children)

    /// The UTF-8 of a string.
    struct Text {
        var pool: Pool
        var offset: UInt32
        var count: UInt32
    }

    /// Nodes that are next to one another in the tree.
    struct Children {
        var pool: Pool
        var first: UInt32
        var count: UInt32

        var range: Range<UInt32> { first..<first + count }
    }

    enum Pool: UInt8 {
        case document
        case constants
    }

    /// The children of an array or object; `nil` for another value.
    var children: Children? {
        switch self {
        case .array(let children), .object(let children): children
        default: nil
        }
    }

    var isContainer: Bool { children != nil }
}

extension Value {
    /// The value of a JSON number's text: exact if it is a whole number of 64 bits, else the nearest double.
    init(number text: String) {
        if let integer = Int64(text) {
            self = .integer(integer, isPlain: true)
        } else if text.utf8.count <= 32, let double = Double(text), double.rounded() != double {
            // The text is not a whole number, as the nearest double to one would be whole too.
            self = .double(double)
        } else {
            self = Decimal(text).value
        }
    }
}

/// The parts of a JSON number: ±0.DIGITS × 10^exponent, without zeros at either end of the digits.
private struct Decimal {
    private var isNegative = false
    private var digits: [UInt8] = []
    private var exponent = 0

    /// More digits than are ever needed to round to the nearest double. If any later digit is not 0, one such digit
    /// stands for the rest.
    private static let digitLimit = 800

    init(_ text: String) {
        var written = 0
        var isFraction = false
        var lost = false
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "-"): isNegative = true
            case UInt8(ascii: "."): isFraction = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                written = Decimal.exponent(rest)
                rest = rest[rest.endIndex...]
            default:
                if digits.isEmpty, byte == UInt8(ascii: "0") {
                    if isFraction { exponent -= 1 }
                    continue
                }
                if !isFraction { exponent += 1 }
                if digits.count < Decimal.digitLimit {
                    digits.append(byte)
                } else if byte != UInt8(ascii: "0") {
                    lost = true
                }
            }
        }
        if lost { digits.append(UInt8(ascii: "1")) }
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        exponent += written
    }

    /// The exponent, clamped to a bound far beyond any double's.
    private static func exponent(_ text: Substring.UTF8View) -> Int {
        var value = 0
        for byte in text where byte >= UInt8(ascii: "0") {
            value = min(value * 10 + Int(byte - UInt8(ascii: "0")), 1 << 40)
        }
        return text.first == UInt8(ascii: "-") ? -value : value
    }

    var value: Value {
        guard !digits.isEmpty else { return .integer(0, isPlain: false) }
        let sign = isNegative ? "-" : ""
        let text = sign + String(decoding: digits, as: UTF8.self)
        if exponent >= digits.count, exponent <= 19 {
            let zeros = String(repeating: "0", count: exponent - digits.count)
            if let integer = Int64(text + zeros) { return .integer(integer, isPlain: false) }
        }
        return .double(Double("\(text)e\(exponent - digits.count)") ?? (isNegative ? -.infinity : .infinity))
    }
}
