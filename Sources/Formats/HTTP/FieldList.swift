/// Header fields (RFC 9110, section 5) in the order they came, including repetitions and bytes that are not text.
///
/// `HTTPFields` holds text; a hub for other people's requests must also keep bytes that are not. All names and values
/// are stored in one array of bytes.
package struct FieldList: Hashable, Sendable {
    private var bytes: [UInt8] = []
    /// The offsets at which each name and each value ends, in turn.
    private var ends: [Int32] = []

    package init() {}

    package var count: Int { ends.count / 2 }

    /// Bytes of all names and values.
    package var byteCount: Int { bytes.count }

    package mutating func append(name: some Collection<UInt8>, value: some Collection<UInt8>) {
        bytes += name
        ends.append(Int32(bytes.count))
        bytes += value
        ends.append(Int32(bytes.count))
    }

    /// Appends the field of a CGI parameter (RFC 3875, section 4.1.18): `X_TRACE_ID` becomes `X-Trace-Id`, the usual
    /// spelling. The letter case that was sent is lost, as is the difference between `_` and `-`.
    package mutating func append(parameter name: RawSpan, value: RawSpan) {
        if ends.isEmpty {
            bytes.reserveCapacity(512)
            ends.reserveCapacity(32)
        }
        var isInitial = true
        unsafe name.withUnsafeBytes { name in
            for index in 0..<name.count {
                let byte = unsafe name[index]
                let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
                bytes.append(byte == UInt8(ascii: "_") ? UInt8(ascii: "-") : isUpper && !isInitial ? byte | 0x20 : byte)
                isInitial = byte == UInt8(ascii: "_")
            }
        }
        ends.append(Int32(bytes.count))
        unsafe value.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        ends.append(Int32(bytes.count))
    }

    /// Frees memory that is reserved and not used.
    mutating func trim() {
        bytes = [] + bytes
        ends = [] + ends
    }

    package func name(at index: Int) -> ArraySlice<UInt8> {
        bytes[(index == 0 ? 0 : Int(ends[2 * index - 1]))..<Int(ends[2 * index])]
    }

    package func value(at index: Int) -> ArraySlice<UInt8> {
        bytes[Int(ends[2 * index])..<Int(ends[2 * index + 1])]
    }

    /// The first value under a name, compared without regard to letter case.
    /// - Parameter name: in lower case.
    package func firstValue(of name: StaticString) -> ArraySlice<UInt8>? {
        for index in 0..<count where matches(self.name(at: index), name) { return value(at: index) }
        return nil
    }

    /// Whether a field has a name, compared without regard to letter case.
    /// - Parameter name: in lower case.
    package func hasName(_ name: StaticString, at index: Int) -> Bool { matches(self.name(at: index), name) }

    /// The value of a field, with those of its repetitions appended after commas; `nil` if there is no such field. Names
    /// are compared as by `values`.
    package func joinedValue(of name: String) -> [UInt8]? {
        let values = values(of: name)
        return values.isEmpty ? nil : Array(values.joined(separator: [UInt8(ascii: ",")]))
    }

    /// The values of all fields of a name. Names are compared without regard to letter case, and to the difference
    /// between `_` and `-`, which CGI does not carry.
    package func values(of name: String) -> [ArraySlice<UInt8>] {
        let wanted = name.utf8
        return (0..<count).filter { index in
            let candidate = self.name(at: index)
            return candidate.count == wanted.count
                && zip(candidate, wanted).allSatisfy { Self.folded($0) == Self.folded($1) }
        }.map(value(at:))
    }

    /// A name such that all names that count as the same are equal.
    package static func folded(_ name: some Sequence<UInt8>) -> [UInt8] { name.map(folded) }

    private static func folded(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
        case UInt8(ascii: "_"): UInt8(ascii: "-")
        default: byte
        }
    }

    private func matches(_ candidate: ArraySlice<UInt8>, _ name: StaticString) -> Bool {
        guard candidate.count == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { wanted in
            unsafe zip(candidate, wanted).allSatisfy { byte, lower in
                byte == lower || ((UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) && byte | 0x20 == lower)
            }
        }
    }
}
