/// Matches a regular expression by following all its alternatives side by side. Each step runs at most once for each
/// scalar of the text.
struct RegularExpressionMatcher {
    private var current: [UInt32] = []
    private var upcoming: [UInt32] = []
    private var pending: [UInt32] = []
    /// For each step, the round in which it was last reached; 0 if never.
    private var reached: [Int] = []
    private var isAccepted = false

    /// The position before a scalar, or at the end of the text.
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
        // The arrays are filled again for each text.
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

    /// Adds a step, and all steps that follow it without taking a scalar.
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

    /// The scalar at `position`, which is moved past it. The text must be valid UTF-8.
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
