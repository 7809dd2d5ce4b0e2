/// Runs a regular expression over a text with all its threads side by side, each step at most once for each scalar.
struct RegularExpressionMatcher {
    private var current: [UInt32] = []
    private var upcoming: [UInt32] = []
    private var pending: [UInt32] = []
    /// For each step, the scalar before which it was last reached, counted from 1.
    private var reached: [Int] = []
    private var isAccepted = false

    /// Between two scalars.
    private struct Boundary {
        /// Counted from 1.
        var round: Int
        var isBeginning: Bool
        var isEnd: Bool
    }

    /// - Parameter text: UTF-8.
    mutating func matches(
        _ expression: borrowing RegularExpression, _ text: ArraySlice<UInt8>, _ budget: inout Budget
    ) throws(JSONPathBudgetExceeded) -> Bool {
        prepare(expression.steps.count)
        // The arrays are filled anew for each text.
        try budget.spend(1 + expression.steps.count / 8)
        var position = text.startIndex
        var boundary = Boundary(round: 1, isBeginning: true, isEnd: text.isEmpty)
        try reach(0, of: expression, boundary, &budget)
        while true {
            swap(&current, &upcoming)
            upcoming.removeAll(keepingCapacity: true)
            if isAccepted, expression.isSearch || position == text.endIndex { return true }
            guard position < text.endIndex, expression.isSearch || !current.isEmpty else { return false }
            let scalar = RegularExpressionMatcher.scalar(of: text, at: &position)
            boundary = Boundary(round: boundary.round + 1, isBeginning: false, isEnd: position == text.endIndex)
            isAccepted = false
            try budget.spend(1 + current.count)
            for step in current where try takes(expression, step, scalar, &budget) {
                try reach(step + 1, of: expression, boundary, &budget)
            }
            if expression.isSearch { try reach(0, of: expression, boundary, &budget) }
        }
    }

    private mutating func prepare(_ count: Int) {
        isAccepted = false
        current.removeAll(keepingCapacity: true)
        upcoming.removeAll(keepingCapacity: true)
        reached.removeAll(keepingCapacity: true)
        reached.append(contentsOf: repeatElement(0, count: count))
    }

    private func takes(
        _ expression: borrowing RegularExpression, _ step: UInt32, _ scalar: UInt32, _ budget: inout Budget
    ) throws(JSONPathBudgetExceeded) -> Bool {
        switch expression.steps[Int(step)] {
        case .scalar(let wanted): return wanted == scalar
        case .scalarClass(let number):
            try budget.spend(expression.classes[Int(number)].cost)
            return expression.classes[Int(number)].contains(scalar)
        default: return false
        }
    }

    /// Adds a step and all that follow from it without a scalar.
    private mutating func reach(
        _ start: UInt32, of expression: borrowing RegularExpression, _ boundary: Boundary, _ budget: inout Budget
    ) throws(JSONPathBudgetExceeded) {
        pending.append(start)
        while let step = pending.popLast() {
            guard reached[Int(step)] != boundary.round else { continue }
            reached[Int(step)] = boundary.round
            try budget.spend(1)
            switch expression.steps[Int(step)] {
            case .split(let first, let second):
                pending.append(second)
                pending.append(first)
            case .jump(let target): pending.append(target)
            case .beginning: if boundary.isBeginning { pending.append(step + 1) }
            case .end: if boundary.isEnd { pending.append(step + 1) }
            case .accept: isAccepted = true
            case .scalar, .scalarClass: upcoming.append(step)
            }
        }
    }

    /// The scalar at `position`, which moves behind it. The text is known to be valid.
    private static func scalar(of text: ArraySlice<UInt8>, at position: inout Int) -> UInt32 {
        let first = UInt32(text[position])
        position += 1
        guard first >= 0xc0 else { return first }
        let more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1
        var scalar = first & (0x3f >> UInt32(more))
        for _ in 0..<more {
            scalar = scalar << 6 | UInt32(text[position] & 0x3f)
            position += 1
        }
        return scalar
    }
}
