/// The text of a JSON array, made in parts. Each item is written when its part is made, so that only one part of a long
/// array is in memory.
package final class JSONArrayParts<Item, Failure: Error> {
    private var items: ArraySlice<Item>
    private let write: (Item, inout JSONWriter) async throws(Failure) -> Void
    private var json = JSONWriter()
    private var hasBegun = false
    private var isOver = false

    /// A part ends with the item that reaches this length.
    private static var partBytes: Int { 48 << 10 }

    /// - Parameter write: writes one item, or nothing if the item no longer exists.
    package init(_ items: [Item], write: @escaping (Item, inout JSONWriter) async throws(Failure) -> Void) {
        self.items = items[...]
        self.write = write
    }

    /// The next part; `nil` once the array is over.
    package func next() async throws(Failure) -> [UInt8]? {
        guard !isOver else { return nil }
        if !hasBegun { json.beginArray() }
        hasBegun = true
        while json.bytes.count < Self.partBytes, let item = items.popFirst() { try await write(item, &json) }
        if items.isEmpty {
            json.endArray()
            isOver = true
        }
        return json.takeBytes()
    }
}
