import JSON

/// Builds a program piece by piece, for the parsers.
struct ProgramBuilder {
    typealias Reference = Program.Reference

    private(set) var program = Program()
    /// Whether the query has a filter.
    private(set) var hasFilter = false
    private var constants = TreeBuilder(pool: .constants)
    private var nameNumbers: [MemberName: UInt32] = [:]
    private var expressionSize = 0

    /// A segment that has been read.
    struct Segment {
        var descends: Bool
        var selectors: [Reference]
    }

    mutating func add(_ instruction: Program.Instruction) -> Reference {
        switch instruction {
        case .filter, .selfFilter: hasFilter = true
        default: break
        }
        program.instructions.append(instruction)
        return Reference(program.instructions.count - 1)
    }

    mutating func list(_ references: [Reference]) -> Program.List {
        let first = UInt32(program.lists.count)
        program.lists += references
        return .init(first: first, count: UInt32(references.count))
    }

    mutating func name(_ name: String) -> Reference {
        let key = MemberName(text: name)
        if let number = nameNumbers[key] { return add(.name(number)) }
        let number = UInt32(program.names.count)
        program.names.append(name)
        nameNumbers[key] = number
        return add(.name(number))
    }

    mutating func constant(_ value: JSON) -> Reference {
        let node = constants.append(value)
        return add(.constant(node))
    }

    mutating func query(isAbsolute: Bool, _ segments: [Segment]) -> Reference {
        var next = Program.none
        for segment in segments.reversed() {
            let visitsLeaves = segment.selectors.contains { looksAtLeaves(program[$0]) }
            let selectors = list(segment.selectors)
            next = add(
                .segment(
                    .init(descends: segment.descends, visitsLeaves: visitsLeaves, next: next, selectors: selectors)))
        }
        let isSingular = segments.allSatisfy {
            !$0.descends && $0.selectors.count == 1 && isNameOrIndex($0.selectors[0])
        }
        return add(.query(.init(isAbsolute: isAbsolute, isSingular: isSingular, first: next)))
    }

    private func looksAtLeaves(_ selector: Program.Instruction) -> Bool {
        switch selector {
        case .selfFilter, .subscriptFunction: true
        default: false
        }
    }

    private func isNameOrIndex(_ selector: Reference) -> Bool {
        switch program[selector] {
        case .name, .index: true
        default: false
        }
    }

    /// The instructions joined by `instruction`; a single one is returned as it is.
    mutating func joined(
        _ references: [Reference], by instruction: (Program.List) -> Program.Instruction
    ) -> Reference {
        references.count == 1 ? references[0] : add(instruction(list(references)))
    }

    /// A test of `value` against a regular expression. An invalid expression matches nothing (RFC 9535, 2.4.6).
    mutating func match(
        _ value: Reference, _ pattern: String, isSearch: Bool
    ) throws(RegularExpression.TooLarge) -> Reference {
        let limit = RegularExpression.sizeLimit - expressionSize
        guard let expression = try RegularExpression(pattern, isSearch: isSearch, limit: limit) else {
            return add(.truth(false))
        }
        expressionSize += expression.size
        program.expressions.append(expression)
        return add(.match(value, expression: UInt32(program.expressions.count - 1)))
    }

    mutating func slice(_ start: Int64?, _ end: Int64?, _ step: Int64?) -> Reference {
        func held(_ bound: Int64) -> Int32 { max(Int32(clamping: bound), Program.Slice.absent + 1) }
        let absent = Program.Slice.absent
        return add(
            .slice(.init(start: start.map(held) ?? absent, end: end.map(held) ?? absent, step: held(step ?? 1))))
    }

    /// The text of a string literal; `nil` for any other operand.
    func string(_ reference: Reference) -> String? {
        guard case .constant(let node) = program[reference] else { return nil }
        return constants.sources[Int(node)].string
    }

    /// The program, in arrays without unused capacity.
    consuming func finished(main: Reference) -> Outcome {
        program.main = main
        program.constants = constants.tree
        program.instructions = program.instructions.map(\.self)
        program.lists = program.lists.map(\.self)
        return Outcome(program: program, hasFilter: hasFilter)
    }

    struct Outcome {
        var program: Program
        var hasFilter: Bool
    }
}
