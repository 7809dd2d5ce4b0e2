/// Header fields (RFC 9110, section 5) in the order they came, repetitions and odd bytes included.
///
/// `HTTPFields` holds text; a hub for other people's requests must keep what is none. All names and values lie in one
/// run of bytes.
package struct FieldList: Hashable, Sendable {
    private var bytes: [UInt8] = []
    /// Where each name and each value ends, in turn.
    private var ends: [Int32] = []

    package init() {}

    package var count: Int { ends.count / 2 }

    package mutating func append(name: some Collection<UInt8>, value: some Collection<UInt8>) {
        bytes += name
        ends.append(Int32(bytes.count))
        bytes += value
        ends.append(Int32(bytes.count))
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

    private func matches(_ candidate: ArraySlice<UInt8>, _ name: StaticString) -> Bool {
        guard candidate.count == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { wanted in
            unsafe zip(candidate, wanted).allSatisfy { byte, lower in
                byte == lower || ((UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) && byte | 0x20 == lower)
            }
        }
    }
}
