/// A set of Unicode scalars: ranges and general categories.
struct ScalarClass: Sendable {
    /// In ascending order, without overlaps.
    let ranges: [ClosedRange<UInt32>]
    /// Bits of `GeneralCategories`.
    let categories: UInt32
    let isNegated: Bool

    /// All scalars but line feed and carriage return.
    static let dot = ScalarClass(ranges: [0x0a...0x0a, 0x0d...0x0d], isNegated: true)

    init(ranges: [ClosedRange<UInt32>] = [], categories: UInt32 = 0, isNegated: Bool = false) {
        var joined: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, range.lowerBound <= last.upperBound {
                joined[joined.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        self.ranges = joined
        self.categories = categories
        self.isNegated = isNegated
    }

    /// How many steps it costs to look up a scalar.
    var cost: Int { (ranges.count > 4 ? 2 : 0) + (categories == 0 ? 0 : 4) }

    func contains(_ scalar: UInt32) -> Bool {
        (hasRange(with: scalar) || hasCategory(of: scalar)) != isNegated
    }

    private func hasRange(with scalar: UInt32) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= scalar
    }

    private func hasCategory(of value: UInt32) -> Bool {
        guard categories != 0, let scalar = Unicode.Scalar(value) else { return false }
        return categories & GeneralCategories.bit(of: scalar.properties.generalCategory) != 0
    }
}

/// The general categories of Unicode as bits.
enum GeneralCategories {
    /// The names in the order of their bits. I-Regexp has no name for surrogates, which no text contains.
    private static let names = [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
        "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn",
    ]

    /// The bit of a category, or of all categories whose names begin with a letter; `nil` if there is none.
    static func mask(of name: String) -> UInt32? {
        guard (1...2).contains(name.utf8.count) else { return nil }
        var mask: UInt32 = 0
        for (bit, known) in names.enumerated() where known.utf8.starts(with: name.utf8) { mask |= 1 << UInt32(bit) }
        return mask == 0 ? nil : mask
    }

    static func bit(of category: Unicode.GeneralCategory) -> UInt32 {
        switch category {
        case .uppercaseLetter: 1 << 0
        case .lowercaseLetter: 1 << 1
        case .titlecaseLetter: 1 << 2
        case .modifierLetter: 1 << 3
        case .otherLetter: 1 << 4
        case .nonspacingMark: 1 << 5
        case .spacingMark: 1 << 6
        case .enclosingMark: 1 << 7
        case .decimalNumber: 1 << 8
        case .letterNumber: 1 << 9
        case .otherNumber: 1 << 10
        case .connectorPunctuation: 1 << 11
        case .dashPunctuation: 1 << 12
        case .openPunctuation: 1 << 13
        case .closePunctuation: 1 << 14
        case .initialPunctuation: 1 << 15
        case .finalPunctuation: 1 << 16
        case .otherPunctuation: 1 << 17
        case .mathSymbol: 1 << 18
        case .currencySymbol: 1 << 19
        case .modifierSymbol: 1 << 20
        case .otherSymbol: 1 << 21
        case .spaceSeparator: 1 << 22
        case .lineSeparator: 1 << 23
        case .paragraphSeparator: 1 << 24
        case .control: 1 << 25
        case .format: 1 << 26
        case .privateUse: 1 << 27
        case .unassigned: 1 << 28
        case .surrogate: 0
        @unknown default: 0
        }
    }
}
