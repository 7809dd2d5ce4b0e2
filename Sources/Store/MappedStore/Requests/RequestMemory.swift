internal import HTTP
internal import Linux
internal import SystemPackage

/// The outcomes of the last requests, in memory that all processes share.
///
/// nginx retries a request only while the machine runs, so its outcome need not survive a crash of the machine. It must
/// survive any process, and be valid only if the transaction that carried the request out was committed. So each entry has the
/// id of that transaction. Only the holder of LMDB's write lock adds entries; others may read meanwhile.
///
/// The entries follow each other in segments. A segment is used again when its last entry is older than
/// `RecentRequests.memoryMilliseconds`; if there is none, another one is allocated. The index leads to the newest of those
/// entries whose requests came within 16 ms and have the same six last bits in their ids, and each entry to the one before.
struct RequestMemory: Sendable {
    private let numbers: SharedNumbers
    /// The first of this object's numbers. All positions count from there.
    private let base: Int
    private let maximumSegments: Int

    private enum Header: Int {
        /// How many segments are allocated.
        case segments
        /// Where the next entry begins, and where the last one is; 0 if there is none.
        case end, last
        /// When there was no room on the disk for another segment.
        case refusedAt
        /// The first of `mostSegments` numbers: when a segment was left for another one.
        case leftAt
    }

    /// The numbers of an entry, before its outcome.
    private enum Member: Int, CaseIterable {
        case high, low
        /// The request's time, and in the lower 16 bits how many bytes the outcome has.
        case timeAndLength
        /// The transaction; 0 while the entry is written.
        case transaction
        /// The position of the entry before in the upper half, that of the entry before under the same index in the lower.
        case before
    }

    /// How many numbers are needed at once. The others are allocated by `remember`.
    static let headerNumbers = 512
    private static let indexNumbers = 1 << 19
    private static let segmentNumbers = 1 << 17
    /// Enough for 50,000 requests a second.
    static let mostSegments = 256
    /// How many numbers are mapped.
    static let numberCount = segmentsStart + mostSegments * segmentNumbers

    private static let segmentsStart = headerNumbers + indexNumbers
    private static let indexMilliseconds: UInt64 = 16
    private static let lowRange: UInt64 = 64
    /// What the disk must have left for the store.
    private static let leavingBytes = 64 << 20
    private static let longestChain = 1 << 20

    /// - Parameter numbers: `base + numberCount` are mapped, and `base + headerNumbers` allocated.
    init(_ numbers: SharedNumbers, at base: Int, maximumSegments: Int = mostSegments) {
        (self.numbers, self.base, self.maximumSegments) = (numbers, base, maximumSegments)
    }

    private subscript(_ position: Int) -> UInt64 {
        get { numbers[base + position] }
        nonmutating set { numbers[base + position] = newValue }
    }

    private subscript(_ member: Header) -> Int {
        get { Int(truncatingIfNeeded: self[member.rawValue]) }
        nonmutating set { self[member.rawValue] = UInt64(newValue) }
    }

    private subscript(_ entry: Int, _ member: Member) -> UInt64 {
        get { self[entry + member.rawValue] }
        nonmutating set { self[entry + member.rawValue] = newValue }
    }

    // MARK: Looking

    /// The outcome of a request.
    /// - Parameter transaction: the last one whose changes the caller sees.
    func outcome(of request: RequestID, upTo transaction: UInt64) -> Outcome? {
        guard self[.segments] > 0 else { return nil }
        var entry = newest(at: Self.place(request), Self.period(request.milliseconds))
        var length = 0
        while isEntry(entry), length < Self.longestChain {
            let time = self[entry, .timeAndLength] >> 16
            // Its segment was used again meanwhile, so all before it are too old.
            guard Self.period(time) == Self.period(request.milliseconds) else { return nil }
            if self[entry, .low] == request.low, self[entry, .high] == request.high, time == request.milliseconds {
                return outcome(in: entry, upTo: transaction)
            }
            entry = Int(self[entry, .before] & 0xFFFF_FFFF)
            length += 1
        }
        return nil
    }

    private func outcome(in entry: Int, upTo transaction: UInt64) -> Outcome? {
        let id = self[entry, .transaction]
        let count = Int(self[entry, .timeAndLength] & 0xFFFF)
        let start = entry + Member.allCases.count
        guard id != 0, id <= transaction, start + (count + 7) / 8 <= limit else { return nil }
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: self[start + $0 / 8] >> UInt64($0 % 8 * 8)) }
        // If it was overwritten meanwhile, it was of a transaction that was not committed, or is too old.
        guard self[entry, .transaction] == id else { return nil }
        return unsafe Outcome(bytes.span.bytes)
    }

    /// The end of the segments that are allocated.
    private var limit: Int { Self.segmentsStart + self[.segments] * Self.segmentNumbers }

    private func isEntry(_ position: Int) -> Bool {
        position >= Self.segmentsStart && position + Member.allCases.count <= limit
    }

    private static func period(_ milliseconds: UInt64) -> UInt64 { milliseconds / indexMilliseconds }

    private static func place(_ request: RequestID) -> Int { place(request.milliseconds, low: request.low) }

    private static func place(_ milliseconds: UInt64, low: UInt64) -> Int {
        let row = period(milliseconds) % (UInt64(indexNumbers) / lowRange)
        return headerNumbers + Int(row * lowRange + low % lowRange)
    }

    /// A number of the index has the lower half of the period in its upper half.
    private func newest(at place: Int, _ period: UInt64) -> Int {
        let number = self[place]
        return number >> 32 == period & 0xFFFF_FFFF ? Int(number & 0xFFFF_FFFF) : 0
    }

    // MARK: Remembering

    /// Adds the outcome of a request.
    /// - Parameter transaction: the open write transaction, which carries the request out.
    /// - Returns: false if there is no room: the caller must remember it elsewhere.
    func remember(
        _ outcome: Outcome, of request: RequestID, in transaction: UInt64,
        now microseconds: @autoclosure () -> Int64 = SystemClock.bootTimeMicroseconds()
    ) -> Bool {
        let bytes = outcome.encoded
        let count = Member.allCases.count + (bytes.count + 7) / 8
        guard request.milliseconds < 1 << 48, let entry = room(for: count, now: microseconds()) else { return false }
        let (place, period) = (Self.place(request), Self.period(request.milliseconds))
        self[entry, .transaction] = 0
        self[entry, .high] = request.high
        self[entry, .low] = request.low
        self[entry, .timeAndLength] = request.milliseconds << 16 | UInt64(bytes.count)
        self[entry, .before] = UInt64(self[.last]) << 32 | UInt64(newest(at: place, period))
        for (offset, start) in stride(from: 0, to: bytes.count, by: 8).enumerated() {
            var number: UInt64 = 0
            for index in start..<min(start + 8, bytes.count) {
                number |= UInt64(bytes[index]) << UInt64((index - start) * 8)
            }
            self[entry + Member.allCases.count + offset] = number
        }
        self[entry, .transaction] = transaction
        // In this order: `discard` finds the entry wherever a process ends.
        self[.last] = entry
        self[.end] = entry + count
        self[place] = period << 32 | UInt64(entry)
        return true
    }

    /// The position of the next entry, of so many numbers; `nil` if there is no room.
    private func room(for count: Int, now: @autoclosure () -> Int64) -> Int? {
        let end = self[.end]
        guard end > Self.segmentsStart else { return beginSegment(after: nil, now: now()) }
        let current = (end - 1 - Self.segmentsStart) / Self.segmentNumbers
        if end + count <= Self.start(ofSegment: current + 1) { return end }
        return beginSegment(after: current, now: now())
    }

    private static func start(ofSegment segment: Int) -> Int { segmentsStart + segment * segmentNumbers }

    private func beginSegment(after current: Int?, now microseconds: Int64) -> Int? {
        let now = Int(microseconds / 1000)
        let oldest = now - Int(RecentRequests.memoryMilliseconds)
        let segments = self[.segments]
        func leftAt(_ segment: Int) -> Int { Header.leftAt.rawValue + segment }
        if let current { self[leftAt(current)] = UInt64(now) }
        if let unused = (0..<segments).first(where: { $0 != current && Int(self[leftAt($0)]) < oldest }) {
            return Self.start(ofSegment: unused)
        }
        guard segments < maximumSegments, self[.refusedAt] + 1000 < now || self[.refusedAt] > now else {
            return nil
        }
        let start = Self.start(ofSegment: segments)
        let first = segments == 0 ? Self.headerNumbers : start
        do throws(Errno) {
            try numbers.append(base + first..<base + start + Self.segmentNumbers, leavingBytes: Self.leavingBytes)
        } catch {
            self[.refusedAt] = now
            return nil
        }
        self[.segments] = segments + 1
        return start
    }

    // MARK: Forgetting

    /// Discards the entries of transactions that were not committed. Must be called before a write transaction writes.
    /// - Parameter transaction: the lowest id of a transaction that the store does not have.
    func discard(from transaction: UInt64) {
        while case let entry = self[.last], isEntry(entry) {
            let id = self[entry, .transaction]
            guard id == 0 || id >= transaction else { return }
            let time = self[entry, .timeAndLength] >> 16
            let before = self[entry, .before]
            let place = Self.place(time, low: self[entry, .low])
            if newest(at: place, Self.period(time)) == entry {
                self[place] = Self.period(time) << 32 | before & 0xFFFF_FFFF
            }
            self[.last] = Int(before >> 32)
            self[.end] = entry
        }
    }

    /// Forgets all. No other process may use this object meanwhile.
    func clear() throws(Errno) {
        for position in 0..<Self.headerNumbers { self[position] = 0 }
        try numbers.truncate(to: base + Self.headerNumbers)
    }
}
