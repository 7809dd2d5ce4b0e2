/// What a node is, in a form that is compared without touching the heap.
///
/// Text and children lie in a tree: the document's, or that of the query's literals.
enum Value {
    case null
    case boolean(Bool)
    /// A number without a fraction that fits 64 bits. `isPlain` says that it was written so, without point or exponent.
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

    /// Nodes that lie beside one another.
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

    /// The children of an array or object; none of another value.
    var children: Children? {
        switch self {
        case .array(let children), .object(let children): children
        default: nil
        }
    }

    var isContainer: Bool { children != nil }
}

extension Value {
    /// The value of a JSON number's text: exact where it is a whole number of 64 bits, else the nearest double.
    init(number text: String) {
        if let integer = Int64(text) {
            self = .integer(integer, isPlain: true)
        } else if text.utf8.count <= 32, let double = Double(text), double.rounded() != double {
            // A text that stands for a whole number would be the nearest to a double that is whole.
            self = .double(double)
        } else {
            self = Decimal(text).value
        }
    }
}

/// A JSON number taken apart: ±0.DIGITS × 10^exponent, without zeros at either end of the digits.
private struct Decimal {
    private var isNegative = false
    private var digits: [UInt8] = []
    private var exponent = 0

    /// More digits than any double needs to be rounded as the whole number would be; one that is not 0 stands for those
    /// that follow.
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

    /// Exponents beyond any double's are held at a bound.
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
